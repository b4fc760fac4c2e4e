package linux

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether an open file is a terminal.
func IsTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// TerminalSize returns how many rows and columns a terminal has, 0 where that is not known.
func TerminalSize(f *os.File) (rows, columns int) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(size.Row), int(size.Col)
}

// AwaitRead waits until an open file can be read, or has an error that the next read returns.
func AwaitRead(f *os.File) error { return await(f, unix.POLLIN) }

// AwaitWrite waits until an open file can be written, or has an error that the next write returns.
func AwaitWrite(f *os.File) error { return await(f, unix.POLLOUT) }

func await(f *os.File, events int16) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: events}}, -1)
		if err != unix.EINTR {
			return os.NewSyscallError("poll", err)
		}
	}
}

// AwaitHangup waits until the reader of a pipe or socket is gone, and reports true, or until quit
// can be read or has lost its writer.
func AwaitHangup(out, quit *os.File) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(out.Fd())}, {Fd: int32(quit.Fd())}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return false
		}
		switch {
		case fds[1].Revents != 0:
			return false
		case fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
			return true
		case fds[0].Revents != 0:
			return false
		}
	}
}
