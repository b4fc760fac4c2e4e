package testload

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whatever happens to a frame is seen, whichever byte it touches.
func TestChangedFramesAreTorn(t *testing.T) {
	want := Stamp{Sender: 7, Number: 1<<48 - 5, Tag: 1<<16 - 2}
	for _, n := range []int{HeaderSize, 17, 25, 100, 1000} {
		b := make([]byte, n)
		Fill(b, want)
		got, err := Read(b)
		require.NoError(t, err)
		require.Equal(t, want, got)
		for i := range b {
			b[i] ^= 0x40
			_, err := Read(b)
			require.ErrorIs(t, err, ErrTorn, "byte %d of %d", i, n)
			b[i] ^= 0x40
		}
		_, err = Read(b[:n-1])
		require.ErrorIs(t, err, ErrTorn, "cut")
		_, err = Read(append(b, 0))
		require.ErrorIs(t, err, ErrTorn, "longer")
		_, _, err = Number(b, 8)
		require.ErrorContains(t, err, "of sender 7 where one of 8")
	}
	for n := range HeaderSize {
		b := make([]byte, n)
		Fill(b, want)
		_, numbered, err := Number(b, 7)
		require.NoError(t, err)
		require.False(t, numbered)
		for i := range b {
			b[i]++
			_, _, err := Number(b, 7)
			require.ErrorIs(t, err, ErrTorn)
			b[i]--
		}
		if n > 1 {
			_, _, err = Number(b[1:], 7)
			require.ErrorIs(t, err, ErrTorn)
		}
	}
}

func TestChecker(t *testing.T) {
	take := func(c *Checker, sender uint32, number uint64) error {
		b := make([]byte, 40)
		Fill(b, Stamp{Sender: sender, Number: number})
		n, err := c.Take(sender, b)
		require.Equal(t, number, n)
		return err
	}
	var lossy Checker
	for _, n := range []uint64{5, 6, 9} {
		require.NoError(t, take(&lossy, 1, n))
	}
	require.ErrorIs(t, take(&lossy, 1, 9), ErrRepeated)
	require.ErrorIs(t, take(&lossy, 1, 7), ErrLate)
	require.ErrorIs(t, take(&lossy, 1, 7), ErrRepeated)
	_, err := lossy.Take(1, make([]byte, 40))
	require.ErrorIs(t, err, ErrTorn)
	require.NoError(t, take(&lossy, 2, 0))
	require.Equal(t, []uint64{7, 1, 2, 1, 1},
		[]uint64{lossy.Received, lossy.Missing, lossy.Repeated, lossy.Late, lossy.Torn})
	require.Equal(t, map[uint32]uint64{1: 10, 2: 1}, lossy.Next())

	whole := Checker{Complete: true}
	require.NoError(t, take(&whole, 1, 0))
	require.ErrorIs(t, take(&whole, 1, 2), ErrMissing)
	require.ErrorIs(t, take(&whole, 2, 1), ErrMissing, "its first")
}

// The clock is the same in another process: what that reads lies between two readings here.
func TestClockIsShared(t *testing.T) {
	if os.Getenv("TESTLOAD_CLOCK") != "" {
		os.Stdout.WriteString(strconv.FormatInt(Now(), 10) + "\n")
		os.Exit(0)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "TESTLOAD_CLOCK=1")
	before := Now()
	out, err := cmd.Output()
	after := Now()
	require.NoError(t, err)
	there, err := strconv.ParseInt(string(out[:len(out)-1]), 10, 64)
	require.NoError(t, err)
	require.Greater(t, there, before)
	require.Less(t, there, after)
}

// A condition that does not come to hold fails the test, and says what it has seen last.
func TestEventually(t *testing.T) {
	t.Setenv("SHMBUS_TEST_PATIENCE", "30ms")
	f := &failed{TB: t}
	n := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		Eventually(f, "only %d", func() bool { n++; return false }, &n)
	}()
	<-done
	require.Contains(t, f.said, "not within 30ms: only ")
	Eventually(t, "the third time", func() bool { n++; return n%3 == 0 })
	require.False(t, Within(time.Millisecond, func() bool { return false }))
}

// failed stands for a test that is to fail.
type failed struct {
	testing.TB
	said string
}

func (f *failed) Fatalf(format string, a ...any) {
	f.said = fmt.Sprintf(format, a...)
	runtime.Goexit()
}
