//go:build linux

package process

import (
	"os"
	"runtime"
	"testing"

	"shmbus/internal/testproc"
)

func init() {
	// A traced worker does all its work in the thread that is traced, the first.
	if os.Getenv(envTraced) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	plays := testproc.Roles{}
	for name, play := range roles {
		plays[name] = testproc.With(func(c *testproc.Child, j job) { play(&child{c, j}) })
	}
	testproc.Main(m, plays)
}
