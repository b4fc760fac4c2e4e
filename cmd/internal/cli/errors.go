package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitUsage   = 2
	ExitTimeout = 3
)

var (
	// ErrTimeout ends a command with code 3. Wrap it to say what did not come in time.
	ErrTimeout = errors.New("timed out")
	// ErrFailed ends a command with code 1 and prints nothing.
	ErrFailed = errors.New("failed")
)

// A UsageError says that the command line is wrong.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError. The text says what would be right.
func Usagef(format string, a ...any) error { return &UsageError{fmt.Errorf(format, a...)} }

// An ExitError ends a command with a code of its own.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// Code returns the exit code for an error.
func Code(err error) int {
	var usage *UsageError
	var exit *ExitError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &usage):
		return ExitUsage
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	}
	return ExitFailed
}

// Line returns the text of an error as one line that is safe to print on a terminal.
func Line(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i, l := range lines {
		lines[i] = Printable(strings.TrimSpace(l))
	}
	return strings.Join(lines, "; ")
}

// EnvBus names the default bus.
const EnvBus = "SHMBUS_BUS"

// BusName returns the bus that a flag names, or else the default bus.
func BusName(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if name := os.Getenv(EnvBus); name != "" {
		return name, nil
	}
	return "", Usagef("no bus given: use -b NAME or set %s", EnvBus)
}
