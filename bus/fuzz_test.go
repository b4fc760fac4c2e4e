//go:build linux

package bus

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/inspect"
	"shmbus/internal/members"
	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// documented are the errors that a damaged segment may cause.
var documented = []error{ErrCorrupt, ErrRemoved, ErrFull, ErrEmpty, ErrLost, ErrEvicted, ErrTableFull, ErrNotABus, ErrIncomplete, ErrVersion, ErrClosed,
	ErrTooLarge, ErrNotFound, context.DeadlineExceeded}

func checkDocumented(t *testing.T, err error) {
	t.Helper()
	for _, d := range documented {
		if err == nil || errors.Is(err, d) {
			return
		}
	}
	t.Fatalf("undocumented error: %v", err)
}

func checkMessage(t *testing.T, b *Bus, m Message) {
	t.Helper()
	if g := b.seg.Map.Geometry; len(m.Raw) > g.MaxFrame || CheckTopic(m.Topic) != nil || m.Publisher >= g.Publishers {
		t.Fatalf("%d bytes of publisher %d on topic %q, on a bus that takes %d", len(m.Raw), m.Publisher, m.Topic, g.MaxFrame)
	}
}

// A specimen is a segment with a few messages that can be brought back into that state again and
// again. Nobody finds it by a key, and it goes with the process.
type specimen struct {
	shm     *sysvshm.Segment
	set     *sysvsem.Set
	mapping *sysvshm.Mapping
	m       layout.Map
	image   []byte
	noSems  []uint16
}

func newSpecimen(tb testing.TB) *specimen {
	m, err := layout.NewMap(layout.Geometry{Slots: 8, SlotSize: 64, Owned: 2, Publishers: 2, Subscribers: 64, Clients: 4, Topics: 4, MaxFrame: 500})
	require.NoError(tb, err)
	x := &specimen{m: m, noSems: make([]uint16, m.Semaphores())}
	x.set, err = sysvsem.Get(ownKey(tb), m.Semaphores(), sysvsem.Create|0o600)
	require.NoError(tb, err)
	x.shm, err = sysvshm.Get(sysvshm.Private, m.Size, sysvshm.Create|0o600)
	require.NoError(tb, err)
	nobody := func(*segment.Segment) (func(), error) { return func() {}, nil }
	seg, _, err := registry.Initialise(x.shm, x.set, "specimen", layout.UUID{1}, 0, m, nobody)
	require.NoError(tb, err)
	x.mapping = seg.Mapping
	require.NoError(tb, x.shm.Remove()) // it stays until it is detached
	tb.Cleanup(func() { x.mapping.Detach() })
	b, err := x.open()
	require.NoError(tb, err)
	s, err := b.Subscribe("a.>")
	require.NoError(tb, err)
	p, err := b.Publisher("a.b")
	require.NoError(tb, err)
	require.NoError(tb, p.PublishRaw(tb.Context(), []byte("one")))
	require.NoError(tb, p.PublishRaw(tb.Context(), make([]byte, 100)))
	require.NoError(tb, s.Close())
	require.NoError(tb, b.Close())
	x.image = bytes.Clone(x.mapping.Bytes())
	return x
}

// ownKey returns a System V key for this process, and has what the key stands for removed at the
// end. The fuzzer ends its workers as it likes, so what those left that are gone is removed, too.
func ownKey(tb testing.TB) int32 {
	const mark = 0x5e << 24
	tb.Cleanup(func() {
		gone := func(key int32) bool {
			pid := int(key &^ mark)
			return key&mark == mark && (pid == os.Getpid() || unix.Kill(pid, 0) == unix.ESRCH)
		}
		sets, _ := sysvsem.List()
		for _, s := range sets {
			if gone(s.Key) {
				sysvsem.FromID(s.ID).Remove()
			}
		}
		shms, _ := sysvshm.List()
		for _, s := range shms {
			if gone(s.Key) {
				sysvshm.FromID(s.ID).Remove()
			}
		}
	})
	return mark | int32(os.Getpid())
}

func (x *specimen) open() (*Bus, error) {
	c := newConfig(nil)
	b, err := openWith("open", keyName(0), c, c.entering(func() (*segment.Segment, error) { return segment.Attach(x.shm, sysvshm.ReadWrite) }))
	if err == nil {
		// The presence check would find that the segment is removed.
		b.member = members.New(b.seg, b.ring, b.member.Owner, func() bool { return true })
	}
	return b, err
}

// FuzzSegment attaches to a segment with words overwritten, and uses all that there is. The input
// is a list of {word, value} of 2 and 8 bytes; what it makes of the header gets a right checksum if
// its length is odd.
func FuzzSegment(f *testing.F) {
	x := newSpecimen(f)
	word := func(at int, v uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(nil, uint16(at/8)), v)
	}
	f.Add([]byte{})
	for _, v := range []uint64{0, 1, 1<<31 - 1, 1<<60 | 3, 1 << 63, 1<<64 - 1, 0xfffff, 0x2_00000001} {
		for _, at := range []int{layout.HeaderSlots, layout.HeaderOwned, layout.HeaderSubscribers, layout.HeaderTopics, layout.HeaderSegmentSize, layout.HeaderState,
			layout.HeaderTopicVersion, layout.HeaderClientHigh, layout.HeaderPubHigh, layout.HeaderSubHigh, layout.HeaderCertified, layout.HeaderSleepers, layout.HeaderGates,
			layout.HeaderBlocked, x.m.Clients.At(0), x.m.Publishers.At(0) + layout.PubIntent, x.m.Publishers.At(0) + layout.PubOwned, x.m.Publishers.At(0) + layout.PubOwner,
			x.m.Publishers.At(0) + layout.PubTopic, x.m.Subscribers.At(0) + layout.SubWake, x.m.Subscribers.At(0) + layout.SubCursor, x.m.Subscribers.At(0) + layout.SubGate,
			x.m.Subscribers.At(0) + layout.SubOwner, x.m.Subscribers.At(1) + layout.SubGate, x.m.Topics.At(0), x.m.Topics.At(0) + layout.TopicLength, x.m.Topics.At(0) + layout.TopicName,
			x.m.Interest.At(0), x.m.Entries.At(0), x.m.Entries.At(2), x.m.Entries.At(7), x.m.Slots.At(16), x.m.Slots.At(16) + 8, x.m.Slots.At(17) + 16} {
			seed := word(at, v)
			if at < layout.HeaderState {
				seed = append(seed, 0)
			}
			f.Add(seed)
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		mem := x.mapping.Bytes()
		copy(mem, x.image)
		require.NoError(t, x.set.SetAll(x.noSems))
		for rest := program; len(rest) >= 10; rest = rest[10:] {
			at := 8 * (int(binary.LittleEndian.Uint16(rest)) % (x.m.Size / 8))
			copy(mem[at:at+8], rest[2:10])
		}
		// The set's number stays: another would be somebody else's.
		copy(mem[layout.HeaderSemID:], x.image[layout.HeaderSemID:layout.HeaderSemID+4])
		if len(program)%2 == 1 {
			binary.LittleEndian.PutUint32(mem[layout.HeaderChecksum:], layout.Checksum(mem))
		}
		start := time.Now()
		x.use(t)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("all calls together took %v", d)
		}
	})
}

func (x *specimen) use(t *testing.T) {
	b, err := x.open()
	checkDocumented(t, err)
	if err != nil {
		return
	}
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	s, err := b.Subscribe("a.>", FromOldest(), Reliable(), Wait(Block))
	checkDocumented(t, err)
	p, err := b.Publisher("a.b", WithTime())
	checkDocumented(t, err)
	if err == nil {
		for _, n := range []int{1, 48, 200} {
			checkDocumented(t, p.PublishRaw(short(), make([]byte, n)))
		}
		r, err := p.Reserve(20)
		checkDocumented(t, err)
		if err == nil {
			checkDocumented(t, r.Commit(short()))
		}
	}
	if q, err := b.Publisher("a.b"); err == nil {
		frames := sized(1, 8, 48, 49, 200, 7, 7, 7, 7, 7, 7)
		n, err := q.PublishBatch(short(), frames)
		checkDocumented(t, err)
		require.True(t, n == len(frames) || n < len(frames) && err != nil, "%d: %v", n, err)
	}
	if s != nil {
		for range 20 {
			m, err := s.TryNext()
			checkDocumented(t, err)
			if err == nil {
				checkMessage(t, b, m)
			}
		}
		checkDocumented(t, s.Read(short(), func(v View) error {
			checkMessage(t, b, Message(v))
			return nil
		}))
		_, err = s.Next(short())
		checkDocumented(t, err)
		batch := make([]Message, 10)
		n, err := s.ReceiveBatch(short(), batch)
		checkDocumented(t, err)
		for _, m := range batch[:n] {
			checkMessage(t, b, m)
		}
		s.Lag()
	}
	_, err = b.Reap()
	checkDocumented(t, err)
	checkDocumented(t, b.WatchDeaths(short(), func(Death) {}))
	o := &Observer{bus: b}
	_, err = o.Snapshot()
	checkDocumented(t, err)
	b.ring.Audit()
	inspect.ExamineSegment(b.seg, b.ring)
	require.NoError(t, b.Close())
}

// FuzzFrames publishes frames with made-up headers, through the ring, to subscriptions. The input
// is a list of {flags, size, publisher, topic, prefix of 8 bytes}.
func FuzzFrames(f *testing.F) {
	x := newSpecimen(f)
	frame := func(flags, size, pub, topic byte, prefix uint64) []byte {
		return binary.LittleEndian.AppendUint64([]byte{flags, size, pub, topic}, prefix)
	}
	first, last := byte(layout.FlagFirst), byte(layout.FlagLast)
	f.Add(frame(first|last, 10, 0, 0, 0))
	f.Add(frame(first|last|layout.FlagTime, 3, 0, 0, 0))
	f.Add(append(frame(first, 48, 0, 0, 60), frame(last, 28, 0, 0, 1<<32|60)...))
	f.Add(append(frame(first, 48, 0, 0, 1<<32-1), frame(last|layout.FlagTime, 7, 1, 0, 1<<63)...))
	f.Add(append(frame(0, 255, 255, 255, 1<<64-1), frame(first, 8, 0, 0, 8)...))
	f.Add(append(frame(first, 48, 0, 0, 508), frame(0, 48, 0, 0, 1<<32|508)...))
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 500)]
		copy(x.mapping.Bytes(), x.image)
		require.NoError(t, x.set.SetAll(x.noSems))
		b, err := x.open()
		require.NoError(t, err)
		defer b.Close()
		copied, err := b.Subscribe("a.>", Reliable())
		require.NoError(t, err)
		inPlace, err := b.Subscribe(">", Reliable())
		require.NoError(t, err)
		p, err := b.ring.Publisher(0)
		require.NoError(t, err)
		drain := func() {
			for range 10 {
				m, err := copied.TryNext()
				checkDocumented(t, err)
				if err == nil {
					checkMessage(t, b, m)
				}
			}
			patience := time.Millisecond // what Read has to pass over ends with its context
			for inPlace.Lag() > 0 {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				before := inPlace.Position()
				err := inPlace.Read(ctx, func(v View) error {
					checkMessage(t, b, Message(v))
					return nil
				})
				cancel()
				checkDocumented(t, err)
				if inPlace.Position() == before && !errors.Is(err, ErrLost) {
					if patience < time.Second && errors.Is(err, context.DeadlineExceeded) {
						patience *= 10 // which may be before Read has looked, where everything is slow
						continue
					}
					t.Fatalf("no progress at %d: %v", before, err)
				}
			}
		}
		for n := 1; len(program) >= 12; program, n = program[12:], n+1 {
			p.FillWord(0, binary.LittleEndian.Uint64(program[4:]))
			info := layout.MakeFrameInfo(int(program[1]), program[0], uint16(program[2])&3, uint16(program[3])&3)
			for p.Exchange(info, layout.TopicTag(layout.TopicHash("a.b"))) == ring.Limit {
				drain()
				p.Rescan()
			}
		}
		drain()
	})
}

// FuzzKeyFile reads and removes by key files of any content: whatever they say, what is somebody
// else's stays.
func FuzzKeyFile(f *testing.F) {
	key := ownKey(f)
	f.Add([]byte(""))
	f.Add([]byte("{}"))
	f.Add(fmt.Appendf(nil, `{"shmbus":1,"state":"ready","uuid":"x","key":%d,"shmid":-1,"semid":-1}`, key))
	f.Add([]byte(`{"shmbus":1,"state":"creating","uuid":"","key":0,"shmid":9223372036854775807,"semid":4294967296}`))
	f.Add([]byte(`{"shmbus":1,"state":"ready","uuid":"00000000-0000-0000-0000-000000000000","key":-1,"shmid":0,"semid":0}`))
	f.Add(bytes.Repeat([]byte("["), 5000))
	shm, err := sysvshm.Get(key, 8192, sysvshm.Create|0o600)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "x"+registry.KeySuffix)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		k, err := registry.ReadKeyFile(path)
		if err == nil && (k.ShmID == shm.ID() || k.State == registry.Creating) {
			return // it says that the segment is the bus's, or that its key was free
		}
		info := registry.Describe(path)
		if info.State == "live" {
			t.Fatalf("live: %+v", info)
		}
		_ = Remove("x", WithDir(dir))
		_, err = shm.Stat()
		require.NoError(t, err, "a stranger's segment is removed")
	})
}
