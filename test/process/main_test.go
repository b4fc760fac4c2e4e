package process

import (
	"os"
	"runtime"
	"testing"

	"shmbus/test/leak"
)

func init() {
	// A traced worker does all its work in the thread that is traced, the first.
	if os.Getenv(envTraced) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if s := os.Getenv(envJob); s != "" {
		work(s)
		return
	}
	leak.Main(m)
}
