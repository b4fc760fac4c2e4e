//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmbus/internal/testproc"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A subject is a demo that runs.
type subject struct {
	t              *testing.T
	cmd            *exec.Cmd
	tmp            string
	lines          *bufio.Scanner // standard output
	out            io.Closer
	stdout, stderr bytes.Buffer
}

// start starts a demo whose standard output is a pipe, and waits for its first line.
func start(t *testing.T, dir string, args ...string) *subject {
	t.Helper()
	s := prepare(t, dir, args...)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	s.cmd.Stdout, s.out = w, r
	require.NoError(t, s.cmd.Start())
	w.Close()
	s.lines = bufio.NewScanner(r)
	s.line()
	return s
}

func prepare(t *testing.T, dir string, args ...string) *subject {
	s := &subject{t: t, tmp: t.TempDir(), cmd: exec.Command(filepath.Join(dir, "demo"), args...)}
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.tmp)
	s.cmd.Stderr = &s.stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return s
}

func (s *subject) line() bool {
	if !s.lines.Scan() {
		return false
	}
	s.t.Log(s.lines.Text())
	fmt.Fprintln(&s.stdout, s.lines.Text())
	return true
}

// end reads on and returns the exit code.
func (s *subject) end() int {
	s.t.Helper()
	for s.line() {
	}
	s.out.Close()
	return s.wait()
}

func (s *subject) wait() int {
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// requireNothingLeft looks for files; package leak looks for the rest.
func (s *subject) requireNothingLeft() {
	s.t.Helper()
	left, err := os.ReadDir(s.tmp)
	require.NoError(s.t, err)
	require.Empty(s.t, left)
	require.Empty(s.t, processesIn(s.tmp))
}

// processesIn returns the processes whose environment has the folder: demos and what they started.
func processesIn(tmp string) []int {
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err == nil && bytes.Contains(env, []byte("TMPDIR="+tmp+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// processNamed returns the process of the demo whose command line has the words.
func (s *subject) processNamed(words ...string) int {
	s.t.Helper()
	for _, pid := range processesIn(s.tmp) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(b), strings.Join(words, "\x00")) {
			return pid
		}
	}
	require.Fail(s.t, "no such process", "%v", words)
	return 0
}

func TestWholeDemo(t *testing.T) {
	s := start(t, testproc.Bin(), "-duration", "4s")
	require.Zero(t, s.end(), s.stderr.String())
	require.Empty(t, s.stderr.String())
	s.requireNothingLeft()
	out := s.stdout.String()
	require.NotContains(t, out, "\x1b")
	for _, want := range []string{
		`\* recorder paused for .*: its backlog grew to \d+%, nothing is lost`,
		`\* kill -9 publisher of host.mem: noticed in \S+, replaced after \S+`,
		`\* SIGSTOP slow`,
		`shmbus demo: \d+\.\d s, 1\d processes, one bus of 4,096 slots × 256 B`,
		`messages   \d+,\d+ published`,
		`latency    p50 \S+  p99 \S+  p99.9 \S+  max \S+  \(watcher`,
		`reliable   recorder received (\S+) of \S+, no gap in \d+ streams`,
		`lossy      slow received \S+ and lost \S+ of \S+ positions: adds up`,
		`file       7,000 lines, .*: identical`,
		`deaths     \d, noticed: publisher of host.mem in`,
		`books      4,096 in the ring \+ \d+ owned = `,
		`left       nothing`,
	} {
		require.Regexp(t, want, out)
	}
}

func TestSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			s := start(t, testproc.Bin(), "-duration", "1m")
			time.Sleep(300 * time.Millisecond)
			begin := time.Now()
			require.NoError(t, s.cmd.Process.Signal(sig))
			require.Zero(t, s.end(), s.stderr.String())
			require.Less(t, time.Since(begin), 10*time.Second)
			require.Contains(t, s.stdout.String(), "left       nothing")
			s.requireNothingLeft()
		})
	}
}

func TestSignalWhileStarting(t *testing.T) {
	for after := time.Duration(0); after < 160*time.Millisecond; after += 20 * time.Millisecond {
		s := prepare(t, testproc.Bin(), "-duration", "1m")
		require.NoError(t, s.cmd.Start())
		// Before the signal is caught it kills, and nothing is there yet.
		time.Sleep(after + 10*time.Millisecond)
		require.NoError(t, s.cmd.Process.Signal(unix.SIGTERM))
		if code := s.wait(); code != -1 {
			require.Zero(t, code, s.stderr.String())
		}
		s.requireNothingLeft()
	}
}

func TestNobodyReads(t *testing.T) {
	s := start(t, testproc.Bin(), "-duration", "1m")
	s.out.Close()
	require.Zero(t, s.wait(), s.stderr.String())
	require.Empty(t, s.stderr.String())
	s.requireNothingLeft()
}

func TestProcessFails(t *testing.T) {
	for _, words := range [][]string{{"subscribe", "-name", "recorder"}, {"publish", "cpu"}, {"busd", "-b"}} {
		t.Run(words[0], func(t *testing.T) {
			s := start(t, testproc.Bin(), "-duration", "1m")
			require.NoError(t, unix.Kill(s.processNamed(words...), unix.SIGKILL))
			require.Equal(t, 1, s.end())
			require.Contains(t, s.stderr.String(), "signal: killed")
			require.Contains(t, s.stdout.String(), "FAILED")
			s.requireNothingLeft()
		})
	}
}

func TestCommandFails(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Link(filepath.Join(testproc.Bin(), "demo"), filepath.Join(dir, "demo")))
	s := prepare(t, dir)
	require.NoError(t, s.cmd.Start())
	require.Equal(t, 1, s.wait())
	require.Contains(t, s.stderr.String(), "busd")
	s.requireNothingLeft()

	for _, name := range []string{"busd", "buspub", "bussub"} {
		script := "#!/bin/sh\necho it does not want to >&2\nexit 3\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	}
	s = prepare(t, dir)
	require.NoError(t, s.cmd.Start())
	require.Equal(t, 1, s.wait())
	require.Contains(t, s.stderr.String(), "it does not want to")
	s.requireNothingLeft()
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"now"}, {"-duration", "1s"}, {"-duration", "soon"}, {"publish"}, {"publish", "everything"}, {"subscribe", "-no"}} {
		s := prepare(t, testproc.Bin(), args...)
		require.NoError(t, s.cmd.Start())
		require.Equal(t, 2, s.wait(), args)
	}
}

// A demo that is killed takes its processes with it; what is left of its bus is found by busd
// doctor.
func TestKilled(t *testing.T) {
	s := start(t, testproc.Bin(), "-duration", "1m")
	require.NoError(t, s.cmd.Process.Kill())
	s.end()
	require.Eventually(t, func() bool { return len(processesIn(s.tmp)) == 0 }, 5*time.Second, 5*time.Millisecond)

	busd := func(env []string, args ...string) (string, int) {
		cmd := exec.Command(filepath.Join(testproc.Bin(), "busd"), args...)
		cmd.Env = append(append(os.Environ(), "SHMBUS_DIR="+t.TempDir()), env...)
		out, err := cmd.CombinedOutput()
		t.Logf("busd %v: %v\n%s", args, err, out)
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := busd(nil, "doctor")
	require.Equal(t, 1, code)
	require.Regexp(t, `orphaned-segment.*"demo"`, out)

	dirs, err := filepath.Glob(filepath.Join(s.tmp, "busdemo-*"))
	require.NoError(t, err)
	require.Len(t, dirs, 1)
	_, code = busd([]string{"SHMBUS_DIR=" + dirs[0]}, "rm", busName)
	require.Zero(t, code)
	left, err := filepath.Glob(filepath.Join(dirs[0], "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// terminal returns both ends of a terminal of 80 columns and 24 rows.
func terminal(t *testing.T) (control, tty *os.File) {
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(int(control.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return control, tty
}

func TestTerminal(t *testing.T) {
	for _, color := range []bool{true, false} {
		t.Run(fmt.Sprintf("color=%v", color), func(t *testing.T) {
			control, tty := terminal(t)
			defer control.Close()
			s := prepare(t, testproc.Bin(), "-duration", "2s")
			s.cmd.Stdout = tty
			s.cmd.Env = append(s.cmd.Env, "TERM=xterm", "LC_ALL=C.UTF-8", "NO_COLOR=")
			if !color {
				s.cmd.Env = append(s.cmd.Env, "NO_COLOR=1")
			}
			require.NoError(t, s.cmd.Start())
			tty.Close()
			var out bytes.Buffer
			_, _ = io.Copy(&out, control) // ends with EIO, when nobody has the terminal open
			require.Zero(t, s.wait(), s.stderr.String())
			s.requireNothingLeft()

			live, summary, ok := strings.Cut(out.String(), "\x1b[?1049l")
			require.True(t, ok, "the alternate screen is left")
			require.True(t, strings.HasPrefix(live, "\x1b[?2026h\x1b[?1049h"))
			require.Contains(t, live, "host.cpu.0")
			require.Contains(t, summary, "left       nothing")
			require.NotContains(t, summary, "\x1b")
			require.GreaterOrEqual(t, strings.Count(live, "\x1b[H"), 5, "frames")
			require.Equal(t, 1, strings.Count(live, "\x1b[2J"), "cleared only once")
			require.Equal(t, color, strings.Contains(live, "\x1b[2m"))
		})
	}
}
