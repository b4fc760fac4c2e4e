package host

import (
	"os"
	"testing"
	"time"

	"shmbus/internal/testload"
)

func TestUsage(t *testing.T) {
	for until := time.Now().Add(20 * time.Millisecond); time.Now().Before(until); {
	}
	got, err := cpuOf(os.Getpid())
	own := time.Duration(testload.CPU())
	if err != nil || got > own || own-got > 5*time.Millisecond {
		t.Errorf("%v, %v; this process itself says %v", got, err, own)
	}
	u, err := usageOf(os.Getpid())
	if err != nil || u.Resident < 1<<20 || u.Resident != u.Own+u.File+u.Shared || u.MinorFaults < 100 || u.CPU < got {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := cpuOf(1 << 27); err == nil {
		t.Error("a process that is not there has a time")
	}
}
