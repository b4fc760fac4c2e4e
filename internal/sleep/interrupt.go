package sleep

import (
	"os"
	"strconv"
	"time"

	"shmbus/internal/linux"
)

// deafWait is the longest wait in the kernel of a program that ignores SIGURG. If the program also
// may no longer post semaphores, nothing else would end its waits.
const deafWait = time.Second

// LongestWait returns the longest time that a wait in the kernel may last; -1 means no limit.
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
