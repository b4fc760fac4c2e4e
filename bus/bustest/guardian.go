package bustest

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shmbus/bus"
	"shmbus/internal/linux"
)

// The roles of this program's binary when it runs once more. The role is the zeroth argument,
// because the program's own parsing would see a flag, and its children an environment variable.
const (
	guardianRole = "bustest-guardian"
	peerRole     = "bustest-peer"
)

func init() {
	var run func() error
	switch args := os.Args; {
	case args[0] == guardianRole && len(args) == 1:
		run = guard
	case args[0] == peerRole && len(args) == 4:
		run = func() error { return peer(args[1], args[2], args[3]) }
	default:
		return
	}
	if err := run(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// again returns this program as a command with a role. The command inherits neither standard output
// nor standard error, because go test waits until both are closed.
func again(role string, args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{
		Path: exe, Args: append([]string{role}, args...), SysProcAttr: linux.NewSession(),
	}, nil
}

// toGuardian is the guardian's standard input. The kernel closes it when this process ends.
var toGuardian io.Writer

// startGuardian starts the process that removes buses when this process is gone. It returns the
// folder that the guardian has made for the buses. Since the guardian makes the folder, it knows of
// everything that must be removed.
func startGuardian() (dir string, err error) {
	cmd, err := again(guardianRole)
	if err != nil {
		return "", err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	defer stdout.Close()
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("the process that removes buses after a crash cannot start: %w", err)
	}
	toGuardian = stdin
	return answer(stdout)
}

// answer returns the text that a process prints when it is ready, or the error that it prints
// instead.
func answer(stdout io.Reader) (string, error) {
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if text, ok := strings.CutPrefix(line, ready); ok && err == nil {
		return strings.TrimSuffix(text, "\n"), nil
	}
	return "", errors.New(cmp.Or(strings.TrimSpace(line), "it ended without a message"))
}

// ready begins the line that a process prints when it is ready.
const ready = "ready "

// tellGuardian sends the guardian the pid of a peer, which may be stopped when this process dies.
func tellGuardian(pid int) error {
	_, err := fmt.Fprintln(toGuardian, pid)
	return err
}

// guard is the guardian. It ends when the test process has ended and all its buses are removed.
func guard() error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGPIPE)
	dir, err := os.MkdirTemp("", "bustest-")
	if err != nil {
		return err
	}
	fmt.Println(ready + dir)
	var peers []int
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			peers = append(peers, pid)
		}
	}
	// Peers end by themselves, unless they are stopped. If another process has the pid by now, the
	// signal does it no harm.
	for _, pid := range peers {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Signal(linux.SIGCONT)
		}
	}
	// A child of the test process may still make another bus, or hold the lock of a key file.
	for range 50 {
		if err = clearFolder(dir); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// clearFolder removes the buses in the folder, and the folder.
func clearFolder(dir string) error {
	list, err := bus.List(bus.WithDir(dir))
	for _, b := range list {
		if gone := bus.Remove(b.Name, bus.WithDir(dir)); !errors.Is(gone, bus.ErrNotFound) {
			err = errors.Join(err, gone)
		}
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
