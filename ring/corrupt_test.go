package ring

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"testing"

	"shmbus/layout"
)

// FuzzCorruptMemory overwrites words of the memory between operations. Messages may be lost or
// wrong, but no call panics or accesses memory outside of the ring, and every loop ends.
//
// The input is a program of 3-byte instructions, {operation, argument, argument}; operation 0 is
// followed by 8 more bytes, the word to store.
func FuzzCorruptMemory(f *testing.F) {
	store := func(index uint16, v uint64) []byte {
		return binary.LittleEndian.AppendUint64([]byte{0, byte(index), byte(index >> 8)}, v)
	}
	program := func(parts ...[]byte) []byte {
		var b []byte
		for _, p := range parts {
			b = append(b, p...)
		}
		return b
	}
	m, err := layout.NewMap(geometry(8, 2, 2))
	if err != nil {
		f.Fatal(err)
	}
	word := func(offset int) uint16 { return uint16(offset / 8) }
	play := []byte{1, 0, 3, 2, 0, 3, 1, 1, 20, 2, 0, 9, 3, 0, 0, 2, 1, 9, 4, 0, 0, 5, 0, 0, 6, 0, 0, 7, 0, 0, 8, 0, 0, 9, 0, 0, 10, 1, 1, 1, 0, 9, 2, 0, 20,
		11, 8, 40, 12, 48, 9, 13, 40, 8, 11, 9, 7, 12, 49, 9, 13, 63, 247}
	f.Add(play)
	for _, v := range []uint64{0, 1, 1<<64 - 1, 1 << 63, 1<<63 - 1, 1 << 31, 1<<32 - 1, 0xfffff, 0x1_000fffff, 0x2_00000000, 0x80000000_00000003} {
		for _, off := range []int{
			m.Entries.At(0), m.Entries.At(3), m.Publishers.At(0) + layout.PubIntent, m.Publishers.At(0) + layout.PubOwned, m.Publishers.At(1) + layout.PubOwned + 8,
			m.Slots.At(0), m.Slots.At(0) + 8, m.Slots.At(8), m.Slots.At(8) + 8, layout.HeaderGates, layout.HeaderCertified,
			m.Subscribers.At(0) + layout.SubGate, m.Subscribers.At(0) + layout.SubCursor, m.Subscribers.At(0) + layout.SubWake, m.Subscribers.At(63) + layout.SubGate,
		} {
			f.Add(program(play, store(word(off), v), play))
		}
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 1000 {
			t.Skip("long enough")
		}
		r := fencedRing(t, geometry(8, 2, 2))
		pubs := [2]*Publisher{openPublisher(t, r, 0), openPublisher(t, r, 1)}
		cursors := [2]*Cursor{r.Join(0, FromNow(), false), r.Join(1, FromOldest(), true)}
		for len(program) >= 3 {
			op, a, b := program[0]%14, program[1], program[2]
			program = program[3:]
			p, c := pubs[a&1], cursors[a&1]
			switch op {
			case 0:
				if len(program) < 8 {
					return
				}
				i := (int(a) | int(b)<<8) % (len(r.base) / 8)
				atomic.StoreUint64(r.word(8*i), binary.LittleEndian.Uint64(program))
				program = program[8:]
			case 1:
				for range b % 32 {
					p.Fill(0, []byte("some payload of some length"))
					p.Fill(27, []byte("!"))
					if st := p.Exchange(layout.FrameInfo(28|layout.FlagWhole<<24), uint32(b)); st == Limit {
						p.Rescan()
					}
				}
			case 2:
				for range b % 32 {
					e, st := c.Peek()
					if st == Done {
						var buf [40]byte
						info, n, st := c.Read(e, buf[:])
						if n > 48 || st == Done && info.Size() > 48 {
							t.Fatalf("%d bytes, size %d in a slot of 48", n, info.Size())
						}
						info, view, st2 := c.View(e)
						if len(view) > 48 || (st == Corrupt && e.Slot() >= r.total) != (st2 == Corrupt) {
							t.Fatalf("%d bytes, Read says %d, View %d", len(view), st, st2)
						}
						if st2 == Done {
							for i := range view {
								_ = view[i] // may fault
							}
							c.Valid(e, info)
						}
						c.Advance()
					}
				}
			case 3:
				before := c.Next()
				if from, to := c.Jump(); from != before || to != c.Next() {
					t.Fatalf("jump from %d says %d…%d and lands at %d", before, from, to, c.Next())
				}
			case 4:
				if q, err := r.Publisher(int(a & 1)); err == nil {
					pubs[a&1] = q
				} else if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsettled) {
					t.Fatal(err)
				}
			case 5:
				cursors[a&1] = r.Join(int(a&63), Start{kind: startKind(b % 3), position: uint64(a) << (b % 64)}, b&64 != 0)
			case 6:
				r.Audit()
			case 7:
				r.Oldest(r.Head())
			case 8:
				r.OpenGate(int(a&63), r.Gate(int(a&63)), uint32(b))
				r.ForgetGate(int(a & 63))
			case 9:
				p.Rescan()
				p.Slowest()
			case 11:
				frames := [][]byte{make([]byte, b%64), make([]byte, 48), make([]byte, 9), make([]byte, 8)}
				n, _, st := p.PublishRun(frames[:a>>1%5], layout.MakeFrameInfo(0, layout.FlagWhole, uint16(a&1), 0), uint32(b))
				if n > 2 || st != Done && st != Limit && st != Corrupt {
					t.Fatalf("%d of a run, status %d", n, st)
				}
				if st == Limit {
					p.Rescan()
				}
			case 12:
				for range b % 32 {
					e, _ := c.Peek()
					info, _, _ := c.View(e)
					buf := make([]byte, a%64)
					before := c.Next()
					n, ok := c.Take(Match{e.Tag(), info.Kind()}, buf)
					if n > len(buf) || n > 48 || (c.Next() == before+1) != ok {
						t.Fatalf("%d bytes of %d taken: %v, the cursor moved from %d to %d", n, len(buf), ok, before, c.Next())
					}
				}
			case 13:
				c.Unwanted(&layout.TagSet{}, uint64(a))
				c.Await(int(b))
				e, _ := c.Peek()
				c.Copy(e, int(int8(b)), make([]byte, a%64))
			case 10:
				c.SetNext(uint64(a)<<(b%64) - uint64(b))
				c.CaughtUp()
			}
		}
	})
}
