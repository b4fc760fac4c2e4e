package main

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"shmbus/cmd/internal/cli"
)

// onHangup calls gone, from a goroutine of its own, when w is a pipe or a socket whose reader goes away. Without it a
// command that has nothing to print would not notice. stop ends the watch.
func onHangup(w io.Writer, gone func(error)) (stop func()) {
	f, ok := cli.AsFile(w)
	if !ok {
		return func() {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return func() {}
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if hangup(int(f.Fd()), ends[0]) {
			gone(&fs.PathError{Op: "write", Path: f.Name(), Err: unix.EPIPE})
		}
	}()
	return func() {
		unix.Close(ends[1])
		<-done
		unix.Close(ends[0])
	}
}

// hangup waits until the reader of out is gone, and reports true, or the writer of quit.
func hangup(out, quit int) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(out)}, {Fd: int32(quit)}}
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
