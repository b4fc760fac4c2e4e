package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Run is a command without its process: everything it touches is an argument.
type Run func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error

// Main runs a command and exits. SIGINT and SIGTERM end its context with a [SignalError] as the cause;
// a second one kills the process. One that was ignored when the process started stays ignored. A write to a pipe that
// nobody reads fails with EPIPE, on which the command should return. Standard streams that another process makes
// non-blocking are read and written as if they were blocking.
//
// What a process writes that was started with its standard output closed (>&-) is lost without an error: before anything of this
// package runs, Go's runtime has opened /dev/null in its place, as a parent may have done on purpose, and nothing tells the two apart.
func Main(run Run) {
	ctx, stop := Signals(context.Background())
	code := Exec(ctx, run, os.Args[1:], stdio{os.Stdin}, stdio{os.Stdout}, stdio{os.Stderr})
	stop()
	os.Exit(code)
}

// Exec runs a command, reports its error on stderr, and returns the exit code. A write to stdout that failed is an error also where
// the command, or a library, has not looked.
func Exec(ctx context.Context, run Run, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	err := run(ctx, args, stdin, out, stderr)
	if err == nil {
		err = out.failure()
	}
	if err = Settle(ctx, err); err == nil {
		return ExitOK
	}
	if !errors.Is(err, ErrFailed) {
		fmt.Fprintf(stderr, "%s: %s\n", Program(), Line(err))
	}
	return Code(err)
}

// Settle returns nil for the errors that are a way to be done: the end by a signal, and a
// reader of standard output that has seen enough.
func Settle(ctx context.Context, err error) error {
	var sig SignalError
	switch {
	case err == nil, brokenStdout(err):
		return nil
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &sig):
		return nil
	case errors.As(err, &sig):
		return nil
	}
	return err
}

// brokenStdout tells a broken pipe at standard output from one elsewhere, a socket's say.
func brokenStdout(err error) bool {
	if errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	var path *fs.PathError
	return errors.Is(err, syscall.EPIPE) && errors.As(err, &path) && path.Path == os.Stdout.Name()
}

// Signals returns a context that ends with SIGINT or SIGTERM, and what gives the signals back.
// After the first of them the next one has its usual effect, unless it follows at once: timeout(1) sends
// its signal twice, to the command and to the group it is in.
func Signals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// Where SIGPIPE is not caught, the runtime kills a process that writes to a broken stdout.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ends := make(chan os.Signal, 1)
	// A shell without job control starts background commands with SIGINT ignored, so that it ends the foreground only.
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(ends, s)
		}
	}
	go func() {
		select {
		case s := <-ends:
			cancel(SignalError{s})
			time.AfterFunc(secondSignal, func() { signal.Stop(ends) })
		case <-ctx.Done():
			signal.Stop(ends)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// secondSignal is how soon after the first signal another one is taken for the same.
const secondSignal = 200 * time.Millisecond

// SignalError is the cause of a context that a signal ended.
type SignalError struct{ Signal os.Signal }

func (e SignalError) Error() string { return "ended by signal: " + e.Signal.String() }

// Program returns the name to put before an error.
func Program() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") }
