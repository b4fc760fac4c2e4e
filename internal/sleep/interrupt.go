package sleep

import (
	"os"
	"strconv"
	"time"

	"shmbus/internal/linux"
)

// deafWait is how long a program that ignores SIGURG waits in the kernel at most. If it may not
// post any more either, nothing would end its waits.
const deafWait = time.Second

// LongestWait returns how long a wait in the kernel may last; -1: without end.
func LongestWait() time.Duration {
	if !linux.CanInterrupt() {
		return deafWait
	}
	return -1
}

// InterruptThreads sends each thread of this process SIGURG, the signal that Go's runtime uses and
// otherwise ignores: a thread that waits in the kernel returns.
func InterruptThreads() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			linux.Interrupt(tid)
		}
	}
}
