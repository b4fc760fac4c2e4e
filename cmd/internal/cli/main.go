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

// Run is a command without its process: its arguments are everything that it uses.
type Run func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error

// Main runs a command and exits. SIGINT and SIGTERM end its context with a [SignalError] as the
// cause; a second signal kills the process. A signal that was ignored when the process started
// stays ignored. A write to a pipe that nobody reads fails with EPIPE; the command should then
// return. Standard streams that another process makes non-blocking are read and written as if they
// were blocking.
//
// If a process is started with its standard output closed (>&-), its output is lost without an
// error. Before any code of this package runs, Go's runtime has opened /dev/null in its place. A
// parent may also open /dev/null on purpose, and the two cases look the same.
func Main(run Run) {
	ctx, stop := Signals(context.Background())
	code := Exec(ctx, run, os.Args[1:], stdio{os.Stdin}, stdio{os.Stdout}, stdio{os.Stderr})
	stop()
	os.Exit(code)
}

// Exec runs a command, reports its error on stderr, and returns the exit code. A failed write to
// stdout is an error even if the command, or a library, has ignored it.
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

// Settle returns nil for errors that count as success: the end by a signal, and the end of the
// reader of standard output.
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

// brokenStdout tells a broken pipe at standard output from one elsewhere, such as at a socket.
func brokenStdout(err error) bool {
	if errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	var path *fs.PathError
	return errors.Is(err, syscall.EPIPE) && errors.As(err, &path) && path.Path == os.Stdout.Name()
}

// Signals returns a context that ends with SIGINT or SIGTERM, and a function that restores the
// signals' usual effect. After the first signal the next one has its usual effect, unless it
// follows at once: timeout(1) sends its signal twice, to the command and to its process group.
func Signals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// Where SIGPIPE is not caught, the runtime kills a process that writes to a broken stdout.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ends := make(chan os.Signal, 1)
	// A shell without job control starts background commands with SIGINT ignored, so that SIGINT
	// ends only the foreground.
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

// secondSignal is the time after the first signal in which another one counts as the same.
const secondSignal = 200 * time.Millisecond

// SignalError is the cause of a context that a signal ended.
type SignalError struct{ Signal os.Signal }

func (e SignalError) Error() string { return "ended by signal: " + e.Signal.String() }

// Program returns the name to put before an error.
func Program() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") }
