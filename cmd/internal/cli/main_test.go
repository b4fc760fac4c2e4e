//go:build linux

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// envRole makes the test binary a command, by the name of a role.
const envRole = "CLI_TEST_ROLE"

var roles = map[string]Run{
	"wait": func(ctx context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
		fmt.Fprintln(stdout, "waiting")
		<-ctx.Done()
		fmt.Fprintln(stdout, "tidied up")
		return ctx.Err()
	},
	"write": func(_ context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
		for {
			if _, err := fmt.Fprintln(stdout, "a line"); err != nil {
				return fmt.Errorf("output: %w", err)
			}
		}
	},
}

func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv(envRole)]; ok {
		Main(role)
	}
	os.Exit(m.Run())
}

func TestExec(t *testing.T) {
	ended, end := context.WithCancelCause(context.Background())
	end(SignalError{unix.SIGTERM})
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	brokenOut := &fs.PathError{Op: "write", Path: os.Stdout.Name(), Err: unix.EPIPE}
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		err    error
		code   int
		stderr string
	}{
		{"done", nil, nil, 0, ""},
		{"failed", nil, errors.New("no\nluck\x07"), 1, `no; luck\a`},
		{"failed with its own words", nil, fmt.Errorf("x: %w", ErrFailed), 1, ""},
		{"usage", nil, Usagef("use %s", "it"), 2, "use it"},
		{"usage, wrapped", nil, fmt.Errorf("a: %w", Usagef("b")), 2, "a: b"},
		{"timeout", nil, fmt.Errorf("nothing came: %w", ErrTimeout), 3, "nothing came: timed out"},
		{"deadline", nil, context.DeadlineExceeded, 3, "context deadline exceeded"},
		{"signal", ended, fmt.Errorf("x: %w", context.Canceled), 0, ""},
		{"canceled otherwise", canceled, context.Canceled, 1, "context canceled"},
		{"reader gone", nil, fmt.Errorf("x: %w", brokenOut), 0, ""},
		{"other pipe", nil, fmt.Errorf("socket: %w", unix.EPIPE), 1, "socket: broken pipe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			var stderr bytes.Buffer
			code := Exec(ctx, func(context.Context, []string, io.Reader, io.Writer, io.Writer) error { return tt.err }, nil, nil, io.Discard, &stderr)
			require.Equal(t, tt.code, code)
			want := ""
			if tt.stderr != "" {
				want = Program() + ": " + tt.stderr + "\n"
			}
			require.Equal(t, want, stderr.String())
		})
	}
}

func TestExecSeesWritesThatFailed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	var stderr bytes.Buffer
	code := Exec(t.Context(), func(_ context.Context, _ []string, _ io.Reader, stdout, _ io.Writer) error {
		f, ok := AsFile(stdout)
		require.True(t, ok)
		require.Same(t, full, f)
		fmt.Fprintln(stdout, "a line")
		return nil
	}, nil, nil, full, &stderr)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr.String(), "no space left on device")
}

func TestBusName(t *testing.T) {
	t.Setenv(EnvBus, "")
	_, err := BusName("")
	require.Equal(t, ExitUsage, Code(err))
	t.Setenv(EnvBus, "prices")
	name, err := BusName("")
	require.NoError(t, err)
	require.Equal(t, "prices", name)
	name, err = BusName("audit")
	require.NoError(t, err)
	require.Equal(t, "audit", name)
}

func TestSignalsEndTheContext(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), envRole+"=wait")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			line := make([]byte, len("waiting\n"))
			_, err = io.ReadFull(out, line)
			require.NoError(t, err)
			require.NoError(t, cmd.Process.Signal(sig))
			rest, err := io.ReadAll(out)
			require.NoError(t, err)
			require.Equal(t, "tidied up\n", string(rest))
			require.NoError(t, cmd.Wait(), "exit code 0")
		})
	}
}

func TestReaderThatLeavesEndsTheCommandQuietly(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), envRole+"=write")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.NoError(t, cmd.Wait(), "exit code 0")
	require.Empty(t, stderr.String())
}

func TestIsTerminal(t *testing.T) {
	require.False(t, IsTerminal(&bytes.Buffer{}))
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	require.False(t, IsTerminal(w))
}
