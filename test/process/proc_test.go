//go:build linux

package process

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"shmbus/internal/testproc"
)

// currentCall returns the system call that a thread is in, with its arguments, and -1 if it is in
// none.
func currentCall(task string) (number int, args []string) {
	b, err := os.ReadFile(task + "/syscall")
	if err != nil {
		return -1, nil
	}
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return -1, nil
	}
	n, err := strconv.Atoi(f[0])
	if err != nil {
		return -1, nil
	}
	return n, f[1:]
}

// onSemaphores returns how many threads of a process sleep on a semaphore.
func onSemaphores(pid int) int {
	n := 0
	for _, d := range testproc.Tasks(pid) {
		if call, _ := currentCall(d); call == unix.SYS_SEMTIMEDOP || call == unix.SYS_SEMOP {
			n++
		}
	}
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }
