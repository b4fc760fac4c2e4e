//go:build linux

package leak

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"go.uber.org/goleak"
)

const (
	// envMode chooses how objects are attributed: "namespace", "lock", "auto".
	envMode = "SHMBUS_LEAK"
	// envInner tells a process that an ancestor checks for leaks: "pid:N" is addressed
	// to the child of N, which checks; "ipc:[…]" to every process of that namespace.
	envInner = "SHMBUS_LEAK_INNER"
)

// Runner is what [Main] needs of a *testing.M.
type Runner interface{ Run() int }

// Main runs the tests and exits: with their code if they fail, with 1 if they leave
// something behind, after listing it on standard error.
func Main(m Runner) { os.Exit(run(m, os.Stderr)) }

func run(m Runner, stderr io.Writer) int {
	namespace, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return fail(stderr, err)
	}
	switch os.Getenv(envInner) {
	case namespace:
		return m.Run()
	case "pid:" + strconv.Itoa(os.Getppid()):
		return checked(m, stderr, namespace)
	}

	mode := os.Getenv(envMode)
	if mode != "lock" {
		code, err := runIsolated()
		if err == nil {
			return code
		}
		if mode == "namespace" {
			return fail(stderr, fmt.Errorf("no IPC namespace to be had: %w", err))
		}
	}
	unlock, err := lock()
	if err != nil {
		return fail(stderr, err)
	}
	defer unlock()
	return checked(m, stderr, namespace)
}

// checked runs the tests and looks for what was not there before.
func checked(m Runner, stderr io.Writer, namespace string) int {
	os.Setenv(envInner, namespace)
	before, err := objects()
	if err != nil {
		return fail(stderr, err)
	}
	goroutines := goleak.IgnoreCurrent()

	code := m.Run()

	leaks, err := remaining(before)
	if err != nil {
		return fail(stderr, err)
	}
	if code == 0 { // a test that has failed may well leave its goroutines waiting
		if err := goleak.Find(goroutines); err != nil {
			leaks = append(leaks, err.Error())
		}
	}
	for _, l := range leaks {
		fmt.Fprintf(stderr, "leak: %s\n", l)
	}
	if len(leaks) > 0 && code == 0 {
		return 1
	}
	return code
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "leak: %v\n", err)
	return 1
}
