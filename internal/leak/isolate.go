//go:build linux

package leak

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// runIsolated runs this program once more, in a new IPC namespace, and returns its exit
// code. An error means that it could not be started.
func runIsolated() (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	// The death signal is tied to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var cmd *exec.Cmd
	for _, attr := range []*syscall.SysProcAttr{privileged(), unprivileged()} {
		cmd = exec.Command(exe, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(os.Environ(), envInner+"=pid:"+strconv.Itoa(os.Getpid()))
		cmd.SysProcAttr = attr
		if err = cmd.Start(); err == nil {
			break
		}
	}
	if err != nil {
		return 0, err
	}

	// go test asks for a stack dump with SIGQUIT, a person ends it with SIGINT.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		for sig := range signals {
			_ = cmd.Process.Signal(sig)
		}
	}()

	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	}
	fmt.Fprintf(os.Stderr, "leak: %v\n", err)
	return 1, nil
}

func privileged() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC, Pdeathsig: unix.SIGKILL}
}

// unprivileged adds a user namespace, in which everybody keeps the same number.
func unprivileged() *syscall.SysProcAttr {
	attr := privileged()
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	same := func(id int) []syscall.SysProcIDMap {
		if id == 0 {
			return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1 << 16}}
		}
		return []syscall.SysProcIDMap{{ContainerID: id, HostID: id, Size: 1}}
	}
	attr.UidMappings, attr.GidMappings = same(os.Getuid()), same(os.Getgid())
	return attr
}

// lock waits until no other leak-checked package of this user runs without a namespace.
func lock() (unlock func(), err error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("shmbus-leak-%d.lock", os.Getuid()))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return func() { f.Close() }, nil
}
