package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// statFields returns the fields of a stat file of proc behind the name, the state first.
func statFields(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	s := string(b)
	return strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
}

// state returns the letter of a process's state, "" if it is gone.
func state(pid int) string {
	if f := statFields(fmt.Sprintf("/proc/%d/stat", pid)); len(f) > 0 {
		return f[0]
	}
	return ""
}

func tasks(pid int) []string {
	dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	return dirs
}

// allThreads reports whether every thread is in the given state.
func allThreads(pid int, want string) bool {
	dirs := tasks(pid)
	for _, d := range dirs {
		if f := statFields(d + "/stat"); len(f) > 0 && f[0] != want {
			return false
		}
	}
	return len(dirs) > 0
}

// ticks returns the processor time of a process in clock ticks, of 10 ms usually.
func ticks(pid int) int {
	f := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if len(f) < 13 {
		return -1
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return user + system
}

// currentCall returns the system call that a thread is in, with its arguments, and -1 if it is in none.
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
	for _, d := range tasks(pid) {
		if call, _ := currentCall(d); call == unix.SYS_SEMTIMEDOP || call == unix.SYS_SEMOP {
			n++
		}
	}
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }
