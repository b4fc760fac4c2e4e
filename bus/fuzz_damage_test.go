package bus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
	"shmbus/sysvsem"
)

// slotOf returns the offset of the slot in entry i.
func slotOf(b *Bus, i int) int {
	return b.seg.Map.Slots.At(int(layout.Entry(atomic.LoadUint64(b.seg.Word(b.seg.Map.Entries.At(i)))).Slot()))
}

// TestDamagedMessages: a message that no correct program published is an error, by every way to
// receive, and the next one comes.
func TestDamagedMessages(t *testing.T) {
	or := func(word *uint64, bits uint64) { atomic.OrUint64(word, bits) }
	for name, c := range map[string]struct {
		says   string
		damage func(b *Bus, slot int)
	}{
		"position 2^32 laps away": {"does not hold what the entry says", func(b *Bus, slot int) { or(b.seg.Word(slot), 1<<60) }},
		"another position":        {"does not hold what the entry says", func(b *Bus, slot int) { or(b.seg.Word(slot), 1<<20) }},
		"size":                    {"does not hold what the entry says", func(b *Bus, slot int) { or(b.seg.Word(slot+8), 1<<20) }},
		"publisher":               {"names publisher 65280", func(b *Bus, slot int) { or(b.seg.Word(slot+8), 0xff00<<32) }},
		"topic":                   {"names topic 32768", func(b *Bus, slot int) { or(b.seg.Word(slot+8), 1<<63) }},
		"no room for its time":    {"no room for its time", func(b *Bus, slot int) { or(b.seg.Word(slot+8), layout.FlagTime<<24) }},
	} {
		for way, receive := range map[string]func(ctx context.Context, s *Subscription) error{
			"Next": func(ctx context.Context, s *Subscription) error { _, err := s.Next(ctx); return err },
			"ReceiveBatch": func(ctx context.Context, s *Subscription) error {
				_, err := s.ReceiveBatch(ctx, make([]Message, 1))
				return err
			},
			"TryNext": func(_ context.Context, s *Subscription) error { _, err := s.TryNext(); return err },
			"Read":    func(ctx context.Context, s *Subscription) error { return s.Read(ctx, func(View) error { return nil }) },
		} {
			for _, at := range []int{0, 1, 2} { // the first message, and those that are like one before
				t.Run(fmt.Sprintf("%s/%s/%d", name, way, at), func(t *testing.T) {
					b := newBus(t, WithSlots(8))
					s, p := subscribe(t, b, "a.>"), publisher(t, b, "a.b")
					for range at + 2 {
						require.NoError(t, p.PublishRaw(soon(t), []byte("x")))
					}
					c.damage(b, slotOf(b, at))
					for range at {
						require.NoError(t, receive(soon(t), s))
					}
					err := receive(soon(t), s)
					require.ErrorIs(t, err, ErrCorrupt)
					require.ErrorContains(t, err, c.says)
					require.NoError(t, receive(soon(t), s))
					require.Equal(t, uint64(1), s.Stats().Lost)
				})
			}
		}
	}
}

// TestAstray: a subscription that damage has sent beyond the head says so and goes on, instead of
// waiting there for ever.
func TestAstray(t *testing.T) {
	for _, far := range []uint64{9, 1 << 20, 1 << 33, 1 << 40} { // the last has the lap of position 0
		b := newBus(t, WithSlots(8))
		s, p := subscribe(t, b, "a.>", Wait(Block)), publisher(t, b, "a.b")
		done := make(chan error, 1)
		go func() {
			_, err := s.Next(soon(t))
			done <- err
		}()
		eventually(t, "asleep", asleep(t, b, 1))
		word := b.seg.Sub(s.index, layout.SubWake)
		w := layout.Wake(atomic.LoadUint64(word))
		atomic.StoreUint64(word, uint64(layout.MakeWake(far, w.Generation(), layout.Asleep)))
		require.NoError(t, p.PublishRaw(soon(t), []byte("x")))
		err := <-done
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, fmt.Sprintf("the subscription was at position %d, the next message gets 1", far))
		require.NoError(t, p.PublishRaw(soon(t), []byte("y")))
		m, err := s.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, uint64(1), m.Position)
	}
}

// TestDamagedTopic: a record whose name is none or has another hash is no topic, for subscribers
// and observers.
func TestDamagedTopic(t *testing.T) {
	for name, damage := range map[string]func(b *Bus){
		"name":   func(b *Bus) { b.seg.Text(b.seg.Map.Topics.At(0)+layout.TopicName, 1)[0] = 'X' },
		"hash":   func(b *Bus) { atomic.StoreUint64(b.seg.Topic(0, layout.TopicHashWord), 1) },
		"length": func(b *Bus) { atomic.StoreUint64(b.seg.Topic(0, layout.TopicLength), 1<<63) },
		"dots": func(b *Bus) {
			copy(b.seg.Text(b.seg.Map.Topics.At(0)+layout.TopicName, 3), "...")
			atomic.StoreUint64(b.seg.Topic(0, layout.TopicHashWord), layout.TopicHash("..."))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t)
			p := publisher(t, b, "a.b")
			damage(b)
			o, err := ObserveKey(b.Key())
			require.NoError(t, err)
			defer o.Close()
			for _, subscribe := range []func(string, ...SubscribeOption) (*Subscription, error){reopen(t, b).Subscribe, o.Subscribe} {
				s, err := subscribe(">")
				require.NoError(t, err)
				require.NoError(t, p.PublishRaw(soon(t), []byte("x")))
				_, err = s.Next(soon(t))
				require.ErrorIs(t, err, ErrCorrupt)
				require.ErrorContains(t, err, "the record of its topic, 0, is damaged")
				s, err = subscribe("a.*")
				require.NoError(t, err)
				require.NoError(t, p.PublishRaw(soon(t), []byte("x")))
				_, err = s.TryNext()
				require.ErrorIs(t, err, ErrEmpty, "nobody knows that it is wanted")
			}
		})
	}
}

// TestDamagedPublisherRecord: a record whose pairs are damaged is passed over, and named when there
// is no other.
func TestDamagedPublisherRecord(t *testing.T) {
	b := newBus(t, WithPublishers(2))
	atomic.StoreUint64(b.seg.Pub(0, layout.PubOwned), uint64(layout.Settled(1<<30)))
	p := publisher(t, b, "a.b")
	require.Equal(t, 1, p.Index())
	_, err := b.Publisher("a.b")
	require.ErrorIs(t, err, ErrTableFull)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "publisher record 0 names slot 1073741824")
}

// TestPublishingFarAhead: positions so high that the limit of a look at the gates wraps; the wait
// ends with its context.
func TestPublishingFarAhead(t *testing.T) {
	b := newBus(t, WithSlots(8))
	// The certified position is a hint for the head, and these laps agree with it.
	atomic.StoreUint64(b.seg.Header(layout.HeaderCertified), ^uint64(0))
	for i := range 8 {
		atomic.StoreUint64(b.seg.Word(b.seg.Map.Entries.At(i)), uint64(layout.MakeEntry(^uint32(0), 0, uint32(i))))
	}
	atomic.StoreUint64(b.seg.Word(b.seg.Map.Entries.At(7)), uint64(layout.MakeEntry(^uint32(0)-1, 0, 7)))
	atomic.StoreUint64(b.seg.Pub(1, layout.PubIntent), ^uint64(0)-8)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p := publisher(t, b, "a.b")
	start := time.Now()
	for range 20 {
		if err := p.PublishRaw(ctx, []byte("x")); err != nil {
			require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, context.DeadlineExceeded), "%v", err)
			break
		}
	}
	require.Less(t, time.Since(start), 20*time.Second)
}

// TestSetOfAnotherSize: a header that names a set with too few semaphores is refused, whatever its
// checksum.
func TestSetOfAnotherSize(t *testing.T) {
	b := newBus(t)
	small, err := sysvsem.Get(sysvsem.Private, 3, sysvsem.Create|0o600)
	require.NoError(t, err)
	defer small.Remove()
	image := append([]byte(nil), b.seg.Mem[:layout.HeaderState]...)
	binary.LittleEndian.PutUint32(b.seg.Mem[layout.HeaderSemID:], uint32(small.ID()))
	binary.LittleEndian.PutUint32(b.seg.Mem[layout.HeaderChecksum:], layout.Checksum(b.seg.Mem))
	_, err = OpenKey(b.Key())
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "which has 3 semaphores")
	copy(b.seg.Mem, image)
}

// TestRemoveOfDamagedBus: whoever opened a bus before its header was damaged learns that it is
// removed, also while awake.
func TestRemoveOfDamagedBus(t *testing.T) {
	dir := WithDir(t.TempDir())
	b, err := Create("x", dir)
	require.NoError(t, err)
	defer b.Close()
	s := subscribe(t, b, ">")
	b.seg.Mem[layout.HeaderMaxFrame] ^= 1
	require.NoError(t, Remove("x", dir))
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrRemoved)
}
