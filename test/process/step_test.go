package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
)

// stepRole publishes: between the marks 1 and 2 one message.
func stepRole(c *child) {
	b := c.open()
	p := c.publisher(b)
	for seq := range c.Count {
		c.check(c.publish(p, seq))
	}
	frame := make([]byte, c.Max)
	fillFrame(frame, c.ID, c.Count)
	mark(1)
	err := p.PublishRaw(c.ctx, frame)
	mark(2)
	c.check(err)
	c.check(b.Close())
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

// Promises 2, 3 and 6, an instruction at a time: a publisher is stopped behind any of the instructions of a publish
// and killed there, or left there while others go on for laps and then killed or continued. Nobody else is held up,
// what it published is received whole whether it could wake anybody or not, nothing else is, and every slot remains.
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: 32, SlotSize: 64, Publishers: 4, Clients: 8})
			s, err := b.Subscribe(">", bus.Reliable(), bus.WaitWith(bus.Block))
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
					seq, _, err := readFrame(m.Raw, id)
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
				case <-time.After(patience):
					require.FailNowf(t, "not received", "at instruction %d", k)
				}
				return item{}
			}
			j := tt.j
			j.Role, j.Bus, j.ID, j.Topic = "step", busName, 1, "step"
			slots := uint64(b.Geometry().Fragments(j.Max))
			steps := countSteps(t, j)
			for range j.Count + 1 {
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
				whole := func() bool { return snapshot(t, b).Head-before == slots }
				expected := whole()
				if fate > 0 {
					// The others go round the ring meanwhile.
					if expected {
						survivor.publish(ctx, 1)
						require.Equal(t, item{"step.1", j.Count}, next(k))
						require.Equal(t, item{"step.2", survivor.next - 1}, next(k))
					}
					for range 80 {
						survivor.publish(ctx, 1)
						require.Equal(t, item{"step.2", survivor.next - 1}, next(k))
					}
				}
				if fate == 2 {
					tr.release()
					if !expected {
						require.Equal(t, item{"step.1", j.Count}, next(k))
					}
					expected = true
				} else {
					unix.Kill(tr.pid, unix.SIGKILL)
					if fate == 0 && expected {
						require.Equal(t, item{"step.1", j.Count}, next(k))
					}
				}
				tr.end()
				if expected {
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
