//go:build linux

package bus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/sleep"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A process that gave up the privileges with which it opened the bus publishes, says that it cannot
// wake, and takes the wake-up from nobody: the next who publishes wakes.
func TestPublisherThatMayNotPost(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test gives up root's privileges in a child process: run it as root")
	}
	for name, publish := range map[string]func(p *Publisher, b *Bus) error{
		"PublishRaw":   func(p *Publisher, _ *Bus) error { return p.PublishRaw(context.Background(), []byte{1}) },
		"two slots":    func(p *Publisher, _ *Bus) error { return p.PublishRaw(context.Background(), make([]byte, 100)) },
		"Publish":      func(p *Publisher, _ *Bus) error { return p.Publish(context.Background(), 1) },
		"without turn": func(_ *Publisher, b *Bus) error { return b.PublishRaw(context.Background(), "a", []byte{1}) },
		"PublishBatch": func(p *Publisher, _ *Bus) error {
			n, err := p.PublishBatch(context.Background(), [][]byte{{1}, {2}, {3}})
			if n != 3 {
				return fmt.Errorf("%d of 3 published: %v", n, err)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var b *Bus
			if !inChild() {
				b = newBus(t, WithSlots(64), WithSlotSize(64))
				s, other := subscribe(t, b, "a", Wait(Block)), subscribe(t, b, "other.*", Wait(Block))
				got := make(chan error, 2)
				go func() { _, err := s.Next(soon(t)); got <- err }()
				go func() { _, err := other.Next(soon(t)); got <- err }()
				eventually(t, "both asleep", asleep(t, b, 2))
				child(t, b, nil)
				require.EqualValues(t, layout.Claimed, layout.Wake(atomic.LoadUint64(b.seg.Sub(s.index, layout.SubWake))).State())
				require.Empty(t, got, "nobody was posted")
				p, q := publisher(t, b, "b"), publisher(t, b, "a")
				require.NoError(t, q.PublishRaw(soon(t), []byte{9}))
				require.NoError(t, within(t, got))
				require.NoError(t, p.Close())
				require.NoError(t, publisher(t, b, "other.x").PublishRaw(soon(t), []byte{9}))
				require.NoError(t, within(t, got))
				return
			}
			child(t, b, func(h *Bus, say func(string)) {
				p, err := h.Publisher("a")
				if err == nil {
					err = h.PublishRaw(context.Background(), "nobody.wants.this", []byte{1})
				}
				for i := 0; i < 2; { // they were woken for the sake of the topics
					if w := layout.Wake(atomic.LoadUint64(h.seg.Sub(i, layout.SubWake))); w.State() == layout.Asleep && !w.IsNotYet() {
						i++
					}
				}
				if err == nil {
					err = syscall.Setuid(65534)
				}
				if err != nil {
					say(err.Error())
					return
				}
				err = publish(p, h)
				var w *WakeupError
				if !errors.Is(err, ErrNotWoken) || !errors.As(err, &w) || !errors.Is(w.Err, fs.ErrPermission) {
					say(fmt.Sprintf("publish: %v", err))
					return
				}
				if _, err := h.Publisher("other.y"); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNotWoken) {
					say(fmt.Sprintf("a publisher on a topic that nobody can be told of: %v", err))
					return
				}
				if _, err := subscribe(t, h, "a").Next(context.Background()); !errors.Is(err, fs.ErrPermission) {
					say(fmt.Sprintf("a wait: %v", err))
					return
				}
				say("ready")
			})
		})
	}
}

// A call that sleeps when the process loses the permission to post is not stuck: a context ends the
// wait, and so does Close, also where the signal that would end it is ignored.
func TestSleeperThatMayNotBePosted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test gives up root's privileges in a child process: run it as root")
	}
	for _, ignores := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignores=%v", ignores), func(t *testing.T) { testSleeperThatMayNotBePosted(t, ignores) })
	}
}

func testSleeperThatMayNotBePosted(t *testing.T, ignores bool) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64), WithMode(0o666))
	}
	child(t, b, func(h *Bus, say func(string)) {
		if err := syscall.Setuid(65534); err != nil {
			say(err.Error())
			return
		}
		if ignores {
			signal.Ignore(syscall.SIGURG)
		}
		ctx, end := context.WithCancel(context.Background())
		ended := make(chan error, 2)
		for _, c := range []context.Context{ctx, context.Background()} {
			s, _ := h.Subscribe("never", Wait(Block))
			go func() { _, err := s.Next(c); ended <- err }()
		}
		for n := 0; n == 0 || !asleep(t, h, 2)(); {
			n, _ = h.seg.Set.GetNCnt(int(layout.SemSleep(h.member.Owner.Client())))
		}
		say("ready")
		for sleep.Post(h.seg, []sysvsem.Op{{Num: layout.SemSleep(h.member.Owner.Client() + 1), Op: 1}}) == nil {
			time.Sleep(time.Millisecond)
		}
		end()
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, fs.ErrPermission) {
			return
		}
		h.Close()
	})
	clients := func() int { snap, err := b.Snapshot(); require.NoError(t, err); return len(snap.Clients) }
	require.Equal(t, 2, clients())
	require.NoError(t, b.seg.Set.SetPerm(-1, -1, 0o600))
	eventually(t, "the other has closed its handle", func() bool { return clients() == 1 })
}
