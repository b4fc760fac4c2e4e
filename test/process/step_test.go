//go:build linux

package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testload"
)

// stepRole publishes: between the marks 1 and 2 one message, or a batch.
func stepRole(c *child) {
	b := c.open()
	p := c.publisher(b)
	for seq := range c.Count {
		c.Check(c.publish(p, seq))
	}
	var frames [][]byte
	for i := range max(c.Batch, 1) {
		frames = append(frames, make([]byte, c.Max))
		testload.Fill(frames[i], stamp(c.ID, c.Count+uint64(i)))
	}
	var err error
	mark(1)
	if c.Batch > 1 {
		_, err = p.PublishBatch(c.Context(), frames)
	} else {
		err = p.PublishRaw(c.Context(), frames[0])
	}
	mark(2)
	c.Check(err)
	c.Check(b.Close())
}

// countSteps returns how many instructions lie between the marks.
func countSteps(t *testing.T, j job) int {
	tr := trace(t, j)
	defer tr.end()
	tr.runTo(1)
	n := 0
	for tr.leave("mark"); !strings.HasSuffix(tr.step(), ".mark"); n++ {
		require.Less(t, n, 100_000)
	}
	return n
}

// Promises 2, 3 and 6, an instruction at a time: a publisher is stopped behind any of the
// instructions of a publish and killed there, or left there while others go on for laps and then
// killed or continued. Nobody else is held up, what it published is received whole whether it could
// wake anybody or not, nothing else is, and every slot remains.
func TestStoppedAtEveryInstruction(t *testing.T) {
	const most = 36 // places in each case
	rnd := newRand(t)
	for _, tt := range []struct {
		name string
		j    job
	}{
		{"the first message, to a sleeper", job{Min: 40, Max: 40}},
		{"a further message, to a sleeper", job{Min: 40, Max: 40, Count: 3}},
		{"a message of three slots, to a sleeper", job{Min: 100, Max: 100, Count: 1}},
		{"a batch, to a sleeper", job{Min: 40, Max: 40, Count: 1, Batch: 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: 32, SlotSize: 64, Publishers: 4, Clients: 8})
			s, err := b.Subscribe(">", bus.Reliable(), bus.Wait(bus.Block))
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			type item struct {
				topic string
				seq   uint64
			}
			got := make(chan item, 1024)
			failed := make(chan error, 1)
			go func() {
				for {
					m, err := s.Next(ctx)
					if err != nil {
						failed <- err
						return
					}
					id := 1
					if m.Topic == "step.2" {
						id = 2
					}
					seq, _, err := testload.Number(m.Raw, uint32(id))
					if err != nil {
						failed <- err
						return
					}
					got <- item{m.Topic, seq}
				}
			}()
			next := func(k int) item {
				select {
				case i := <-got:
					return i
				case err := <-failed:
					require.FailNowf(t, "receive", "at instruction %d: %v", k, err)
				case <-time.After(testload.Patience()):
					require.FailNowf(t, "not received", "at instruction %d", k)
				}
				return item{}
			}
			j := tt.j
			j.Role, j.Bus, j.ID, j.Topic = "step", busName, 1, "step"
			slots := uint64(b.Sizes().Positions(j.Max))
			messages := uint64(max(j.Batch, 1))
			steps := countSteps(t, j)
			for range j.Count + messages {
				next(-1)
			}
			survivor := newFeed(t, b, "step", 2, 48)
			stride := max(steps/most, 1)
			published := 0
			fates := [3]int{}
			// Another run stops at other places.
			for k := rnd.IntN(stride); k <= steps; k += stride {
				tr := trace(t, j)
				tr.runTo(1)
				for i := range j.Count {
					require.Equal(t, item{"step.1", i}, next(k))
				}
				awaitAsleep(t, b, 1)
				before := snapshot(t, b).Head
				at := tr.leave("mark")
				for i := 0; i < k && !strings.HasSuffix(at, ".mark"); i++ {
					at = tr.step()
				}
				fate := k / stride % 3
				fates[fate]++
				whole := (snapshot(t, b).Head - before) / slots // messages
				expect := func(from, to uint64) {
					for i := from; i < to; i++ {
						require.Equal(t, item{"step.1", j.Count + i}, next(k))
					}
				}
				if fate > 0 {
					// The others go round the ring meanwhile.
					if whole > 0 {
						survivor.publish(ctx, 1)
						expect(0, whole)
						require.Equal(t, item{"step.2", survivor.next - 1}, next(k))
					}
					for range 80 {
						survivor.publish(ctx, 1)
						require.Equal(t, item{"step.2", survivor.next - 1}, next(k))
					}
				}
				if fate == 2 {
					tr.release()
					expect(whole, messages)
					whole = messages
				} else {
					unix.Kill(tr.pid, unix.SIGKILL)
					if fate == 0 {
						expect(0, whole)
					}
				}
				tr.end()
				if whole > 0 {
					published++
				}
				survivor.publish(ctx, 1)
				require.Equal(t, item{"step.2", survivor.next - 1}, next(k), "killed behind instruction %d of %d", k, steps)
				balance(t, b)
			}
			t.Logf("%d instructions, every %d.: killed at %d, stopped and killed at %d, stopped and continued at %d; %d had published",
				steps, stride, fates[0], fates[1], fates[2], published)
			require.Positive(t, published)
			cancel()
			<-failed
		})
	}
}
