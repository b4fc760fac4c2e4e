//go:build linux

package testproc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// State returns the letter of a process's state ("S" sleeping, "T" stopped), "" if it is gone.
func State(pid int) string {
	return stateIn(fmt.Sprintf("/proc/%d", pid))
}

// Tasks returns the folders of a process's threads.
func Tasks(pid int) []string {
	dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	return dirs
}

// AllThreads reports whether the process is there and every thread of it is in the given state.
func AllThreads(pid int, want string) bool {
	dirs := Tasks(pid)
	for _, d := range dirs {
		if s := stateIn(d); s != "" && s != want {
			return false
		}
	}
	return len(dirs) > 0
}

func stateIn(dir string) string {
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return ""
	}
	s := string(b)
	// The name before the last parenthesis may hold anything.
	if f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]); len(f) > 0 {
		return f[0]
	}
	return ""
}

// A Cost is what the threads of a process have used.
type Cost struct {
	Time time.Duration // on a processor
	Runs int           // how often one of them was put on a processor
}

// Minus returns what was used since an earlier cost.
func (c Cost) Minus(earlier Cost) Cost { return Cost{c.Time - earlier.Time, c.Runs - earlier.Runs} }

// CostOf returns what the threads of a process that live have used. The scheduler counts it to the
// nanosecond, where the ticks of /proc/PID/stat are samples and rounded down: one more says nothing
// about how much was used since the last look.
func CostOf(pid int) (c Cost) {
	for _, task := range Tasks(pid) {
		b, err := os.ReadFile(task + "/schedstat")
		if err != nil {
			continue
		}
		// Time on a processor, time waiting for one, runs.
		if f := strings.Fields(string(b)); len(f) == 3 {
			ns, _ := strconv.ParseInt(f[0], 10, 64)
			runs, _ := strconv.Atoi(f[2])
			c.Time += time.Duration(ns)
			c.Runs += runs
		}
	}
	return c
}
