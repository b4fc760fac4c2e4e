package bus

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What a pacing answers to runs of messages, each followed by a look that finds nothing.
func TestPacing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		runs    []uint64
		longest int
		want    []int
	}{
		{"a stream", []uint64{8, 8, 8, 8, 8, 8, 8}, restMax, []int{16, 32, 64, 128, 256, 256, 256}},
		{"a stream, for latency", []uint64{50, 50, 50, 50}, restMaxSpin, []int{16, 32, 64, 64}},
		{"long runs need no longer rests", []uint64{8, 8, 128, 500, 127, 128}, restMax, []int{16, 32, 32, 32, 64, 64}},
		{"runs that were long from the beginning", []uint64{128, 1000, 128}, restMax, []int{0, 0, 0}},
		{"a pause begins anew", []uint64{8, 8, 7, 8, 8}, restMax, []int{16, 32, 0, 16, 32}},
		{"nothing at all", []uint64{8, 0, 0, 0, 8}, restMax, []int{16, 0, 0, 0, 16}},
		{"single messages", []uint64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, restMax,
			[]int{16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16}},
		{"short runs", []uint64{7, 7, 7, 7, 7, 7, 7, 7}, restMax, []int{16, 0, 0, 16, 0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tr pacing
			var got []int
			for _, run := range tt.runs {
				got = append(got, tr.next(run, tt.longest))
			}
			require.Equal(t, tt.want, got)
		})
	}
}

// Two that answer each other make no runs. Rests are for trying whether that has changed, and
// become rare: twice as many messages between one and the next, and in the end one in 16,384.
func TestPacingOfPingPong(t *testing.T) {
	const messages = 1 << 20
	var tr pacing
	var at []int
	for i := range messages {
		if n := tr.next(1, restMax); n > 0 {
			require.Equal(t, restMin, n)
			at = append(at, i)
		}
	}
	require.LessOrEqual(t, len(at), 12+messages/tryMax)
	for i := 2; i < len(at); i++ {
		gap := at[i] - at[i-1]
		require.Equal(t, min(2*(at[i-1]-at[i-2]), tryMax), gap)
	}
	// A stream is noticed at once, and left as soon as it ends.
	require.Equal(t, restMin, tr.next(streamRun, restMax))
	require.Zero(t, tr.next(1, restMax))
}

// However runs come, no rest is longer than it may be, and single messages seldom have one.
func TestPacingAnyRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		longest := rapid.SampledFrom([]int{restMaxSpin, restMax}).Draw(t, "longest")
		var tr pacing
		single, tries := uint64(0), uint64(0)
		for range rapid.IntRange(1, 300).Draw(t, "runs") {
			run := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 300)).Draw(t, "run")
			n := tr.next(run, longest)
			switch {
			case n < 0 || n > longest:
				t.Fatalf("a rest of %d pauses", n)
			case run >= streamRun:
				single, tries = 0, 0
			default:
				if single += run; n > 0 {
					tries++
				}
				if tries > 1+single/tryMin {
					t.Fatalf("%d rests for %d single messages", tries, single)
				}
			}
		}
	})
}

// caughtUp counts the messages since it was called before, and nobody rests who gives the processor
// away instead.
func TestPacingCaughtUp(t *testing.T) {
	for wait, want := range map[WaitStrategy]int{Adaptive: restMax, Yield: restMax, Spin: restMaxSpin, Block: 0} {
		var tr pacing
		received := uint64(0)
		for range 10 {
			received += 20
			tr.caughtUp(received, wait)
		}
		require.Equal(t, want, tr.gap, wait.String())
	}
	var tr pacing
	tr.caughtUp(1000, Adaptive)
	tr.caughtUp(1008, Adaptive)
	require.Equal(t, restMin, tr.gap)
	tr.caughtUp(1015, Adaptive)
	require.Zero(t, tr.gap)
}

// A subscription rests where it has received a run of messages, in whatever way, and finds nothing
// more.
func TestSubscriptionRests(t *testing.T) {
	for w, want := range map[WaitStrategy][]int{
		Yield: {16, 32, 64, 128, 256, 256}, Spin: {16, 32, 64, 64, 64, 64}, Block: make([]int, 6),
	} {
		t.Run(w.String(), func(t *testing.T) {
			b := newBus(t, WithSlots(64))
			s, p := subscribe(t, b, ">", Wait(w)), publisher(t, b, "a")
			idle := func() {
				short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				defer cancel()
				_, err := s.Next(short)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			}
			for i, gap := range want {
				_, err := p.PublishBatch(soon(t), numbered(0, 20))
				require.NoError(t, err)
				receiveAll(t, s, 20, 1+i*7)
				idle()
				require.Equal(t, gap, s.pacing.gap)
			}
			require.NoError(t, p.PublishRaw(soon(t), frame(0)))
			receiveAll(t, s, 1, 1)
			idle()
			require.Zero(t, s.pacing.gap)
		})
	}
}
