//go:build linux

package bustest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/bus/bustest"
	"shmbus/internal/leak"
	"shmbus/internal/testload"
)

func TestMain(m *testing.M) {
	if os.Getenv(envSubject) != "" {
		os.Exit(m.Run())
	}
	leak.Main(m)
}

type order struct {
	ID    int
	At    time.Time
	Lines []line
	Tags  map[string]string `msgpack:",omitempty"`
}

type line struct {
	Item string
	Qty  int
}

func subscribe(t testing.TB, b *bus.Bus, pattern string, opts ...bus.SubscribeOption) *bus.Subscription {
	t.Helper()
	s, err := b.Subscribe(pattern, opts...)
	require.NoError(t, err)
	return s
}

func TestNewIsFoundByItsName(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprintf("with spaces, ümlauts/%d", i), func(t *testing.T) {
			t.Parallel()
			b := bustest.New(t, bus.WithSlots(64), bus.WithDir("/nowhere"))
			require.Equal(t, 64, b.Sizes().Slots)
			again, err := bus.Open(b.Name())
			require.NoError(t, err)
			require.Equal(t, b.UUID(), again.UUID())
			require.NoError(t, again.Close())
		})
	}
}

func TestNewIsRemovedWithItsTest(t *testing.T) {
	var name string
	t.Run("inner", func(t *testing.T) { name = bustest.New(t).Name() })
	_, err := bus.Open(name)
	require.ErrorIs(t, err, bus.ErrNotFound)
	t.Run("removed by the test", func(t *testing.T) {
		b := bustest.New(t)
		require.NoError(t, bus.Remove(b.Name()))
	})
}

// Programs that a test starts find its buses.
func TestNewInAnotherProgram(t *testing.T) {
	b := bustest.New(t)
	cmd := exec.Command("go", "run", "shmbus/cmd/busd", "ls")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), b.Name())
}

func TestExpectAndDrain(t *testing.T) {
	b := bustest.New(t, bus.WithSlots(8))
	s := subscribe(t, b, "orders.>")
	ctx := t.Context()
	o := order{ID: 1, At: time.Now(), Lines: []line{{"nut", 3}}}
	time.AfterFunc(50*time.Millisecond, func() { _ = b.Publish(ctx, "orders.new", o) })
	bustest.Expect(t, s, o)
	require.NoError(t, b.Publish(ctx, "orders.new", o))
	require.NoError(t, b.Publish(ctx, "orders.old", &o))
	require.NoError(t, b.Publish(ctx, "orders.old", nil))
	require.NoError(t, b.Publish(ctx, "orders.old", []byte{1, 2}))
	bustest.Expect(t, s, &o, bustest.Message{Topic: "orders.old", Value: o}, nil, []byte{1, 2})
	require.Empty(t, bustest.Drain(t, s))

	for i := range 12 {
		require.NoError(t, b.Publish(ctx, "orders.new", i))
	}
	bustest.Expect(t, s, bus.ErrLost, 4)
	rest := bustest.Drain(t, s)
	require.Len(t, rest, 7)
	var last int
	require.NoError(t, rest[6].Decode(&last))
	require.Equal(t, 11, last)
	require.NoError(t, s.Close())
	bustest.Expect(t, s, bus.ErrClosed)
}

// A recorder is a test that is expected to fail.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatal(args ...any) {
	r.failed = fmt.Sprint(args...)
	panic(r)
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

func failure(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	require.Panics(t, func() { f(r) }, "it did not fail")
	return r.failed
}

func TestExpectSaysWhatDiffers(t *testing.T) {
	b := bustest.New(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got := order{ID: 2, At: at, Lines: []line{{"nut", 3}, {"bolt", 4}}, Tags: map[string]string{"a": "1", "b": "2"}}
	tests := []struct {
		name  string
		got   any
		want  any
		parts []string
	}{
		{"number", 1, 2, []string{"message 1 of 1", "position 0, topic t: 1", "want  2", "value: got 1, want 2"}},
		{"string", "1", "2", []string{`value: got "1", want "2"`}},
		{"another type", "1", 2, []string{`position 0, topic t: "1"`, `the string "1" does not fit int`}},
		{"fields", got, order{ID: 1, At: at.Add(1), Lines: []line{{"nut", 2}}, Tags: map[string]string{"b": "3", "c": ""}}, []string{
			".ID: got 2, want 1", ".At: got 2026-01-02 03:04:05", `.Lines[0].Qty: got 3, want 2`,
			`.Lines[1]: got {Item:bolt Qty:4}, want nothing`, `.Tags["a"]: got "1", want nothing`, `.Tags["b"]: got "2", want "3"`, `.Tags["c"]: got nothing, want ""`,
		}},
		{"nil", got, nil, []string{"want  nil"}},
		{"nil slice", order{At: at}, order{At: at, Lines: []line{}}, []string{".Lines: got nil []bustest_test.line, want []"}},
		{"bytes", []byte{1}, []byte{2}, []string{"value: got bytes 01, want bytes 02"}},
		{"any", map[string]any{"a": 1}, map[string]any{"a": "1"}, []string{`["a"]: got 1 of type int64, want "1" of type string`}},
		{"topic", 1, bustest.Message{Topic: "u", Value: 1}, []string{`topic: got "t", want "u"`}},
		{"error", 1, bus.ErrLost, []string{"a message instead of an error", "want  the error: messages were lost"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bustest.New(t)
			s := subscribe(t, b, "t")
			require.NoError(t, b.Publish(t.Context(), "t", tt.got))
			text := failure(t, func(t testing.TB) { bustest.Expect(t, s, tt.want) })
			t.Log(text)
			for _, part := range tt.parts {
				require.Contains(t, text, part)
			}
		})
	}

	s := subscribe(t, b, ">")
	for i := range 5 {
		require.NoError(t, b.Publish(t.Context(), "t", i))
	}
	text := failure(t, func(t testing.TB) { bustest.Expect(t, s, 0, 5, 2) })
	require.Equal(t, "bustest.Expect: message 2 of 3 is not the one wanted:"+`
   1  position 0, topic t: 0
        as wanted
   2  position 1, topic t: 1
  want  5
        value: got 1, want 5
  then  position 2, topic t: 2
  then  position 3, topic t: 3
  then  position 4, topic t: 4`, text)
}

func TestDrainFailsWhereTheSubscriptionHas(t *testing.T) {
	s := subscribe(t, bustest.New(t), ">")
	require.NoError(t, s.Close())
	require.Contains(t, failure(t, func(t testing.TB) { bustest.Drain(t, s) }), "closed")
}

func TestNilIsSaid(t *testing.T) {
	require.Contains(t, failure(t, func(t testing.TB) { bustest.Expect(t, nil, 1) }), "is nil")
	require.Contains(t, failure(t, func(t testing.TB) { bustest.Drain(t, nil) }), "is nil")
	require.Contains(t, failure(t, func(t testing.TB) { bustest.StartPeer(t, nil, "a", 0) }), "is nil")
}

// fill publishes until a publisher has no room, and returns who it waited for.
func fill(t *testing.T, p *bus.Publisher, n int) *bus.FullError {
	t.Helper()
	for range n {
		var full *bus.FullError
		if err := p.Publish(t.Context(), 0); errors.As(err, &full) {
			return full
		} else {
			require.NoError(t, err)
		}
	}
	return nil
}

func TestStoppedPeerHoldsPublishersAndDeadOneDoesNot(t *testing.T) {
	b := bustest.New(t, bus.WithSlots(8))
	p, err := b.Publisher("orders", bus.NoWait())
	require.NoError(t, err)
	peer := bustest.StartPeer(t, b, "orders", 0)
	peer.Stop()
	full := fill(t, p, 9)
	require.NotNil(t, full)
	require.Equal(t, peer.Pid(), full.Pid)
	require.Equal(t, "orders", full.Pattern)

	peer.Continue()
	testload.Eventually(t, "there is room", func() bool { return p.Publish(t.Context(), 0) == nil })
	peer.Stop()
	require.NotNil(t, fill(t, p, 17))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = b.Publish(ctx, "orders", 0)
	require.ErrorIs(t, err, bus.ErrFull)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	peer.Kill()
	testload.Eventually(t, "there is room", func() bool { return p.Publish(t.Context(), 0) == nil })
	require.Nil(t, fill(t, p, 100))
	peer.Kill()
	peer.Stop()
	peer.Continue()
}

// Kill returns when the kernel has told the bus: without a wait, the first who asks is told of the
// death.
func TestKillReturnsWhenTheBusKnows(t *testing.T) {
	for range 5 {
		b := bustest.New(t)
		peer := bustest.StartPeer(t, b, ">", 0)
		peer.Kill()
		n, err := b.Reap()
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
}

func TestPatienceOfAPeer(t *testing.T) {
	b := bustest.New(t, bus.WithSlots(8))
	peer := bustest.StartPeer(t, b, ">", 100*time.Millisecond)
	peer.Stop()
	for range 9 {
		require.NoError(t, b.Publish(t.Context(), "orders", 0))
	}
	s, err := b.Snapshot()
	require.NoError(t, err)
	require.EqualValues(t, 1, s.Evictions)
}

func TestPeerThatCannotSubscribeSaysWhy(t *testing.T) {
	b := bustest.New(t)
	require.Contains(t, failure(t, func(t testing.TB) { bustest.StartPeer(t, b, "a..b", 0) }), "a..b")
	require.Contains(t, failure(t, func(t testing.TB) { bustest.StartPeer(t, b, "a", -1) }), "patience")
	require.NoError(t, bus.Remove(b.Name()))
	require.Contains(t, failure(t, func(t testing.TB) { bustest.StartPeer(t, b, "a", 0) }), "peer: ")
}

func TestManyTestsAtATime(t *testing.T) {
	var names sync.Map
	for range 32 {
		t.Run("parallel", func(t *testing.T) {
			t.Parallel()
			b := bustest.New(t, bus.WithSlots(64))
			_, used := names.LoadOrStore(b.Name(), true)
			require.False(t, used)
			s := subscribe(t, b, ">", bus.Reliable())
			for i := range 32 {
				require.NoError(t, b.Publish(t.Context(), "n", i))
			}
			require.Len(t, bustest.Drain(t, s), 32)
		})
	}
}
