package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

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

// processorTime returns how long the threads of a process have run. The scheduler counts it to the nanosecond; the ticks of
// /proc/PID/stat are samples, and two of five short looks may be hit by one.
func processorTime(pid int) (ran time.Duration) {
	for _, task := range tasks(pid) {
		b, err := os.ReadFile(task + "/schedstat")
		if err != nil {
			continue
		}
		nanoseconds, _, _ := strings.Cut(string(b), " ")
		n, _ := strconv.ParseInt(nanoseconds, 10, 64)
		ran += time.Duration(n)
	}
	return ran
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
