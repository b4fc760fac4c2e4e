package main

import (
	"io"
	"io/fs"
	"os"
	"syscall"

	"shmbus/cmd/internal/cli"
	"shmbus/internal/linux"
)

// onHangup calls gone, in a goroutine of its own, when w is a pipe or a socket and its reader goes
// away. A command that has nothing to print would not notice that otherwise. stop ends the watch.
func onHangup(w io.Writer, gone func(error)) (stop func()) {
	f, ok := cli.AsFile(w)
	if !ok {
		return func() {}
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return func() {}
	}
	quit, end, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if linux.AwaitHangup(f, quit) {
			gone(&fs.PathError{Op: "write", Path: f.Name(), Err: syscall.EPIPE})
		}
	}()
	return func() {
		end.Close()
		<-done
		quit.Close()
	}
}
