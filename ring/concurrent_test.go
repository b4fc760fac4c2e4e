package ring

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shmbus/internal/fence"
	"shmbus/layout"
)

// scale shortens long loops in race-detector builds, which are slow.
func scale(n int) int {
	if fence.RaceEnabled {
		return n / 10
	}
	return n
}

// TestManyToMany runs publishers against lossy and reliable readers. Every message has its own
// value, {publisher, number}; all readers note in one table what they see at each position.
func TestManyToMany(t *testing.T) {
	for _, tt := range []struct {
		slots, owned, pubs, lossy, reliable, messages int
		start                                         uint64
	}{
		{8, 2, 1, 1, 0, 200_000, 0},
		{8, 2, 1, 0, 1, 100_000, 0},
		{8, 2, 3, 3, 0, 200_000, 0},
		{64, 2, 2, 2, 2, 200_000, 0},
		{64, 8, 4, 2, 1, 200_000, 1<<32 - 1024},
		{16, 4, 2, 1, 1, 100_000, (1<<32 - 100) << 4},
		{1024, 8, 16, 2, 2, 200_000, 0},
		{64, 3, 64, 1, 1, 100_000, 0},
		{8, 2, 64, 2, 0, 100_000, 0},
	} {
		name := fmt.Sprintf("slots=%d/owned=%d/pubs=%d/lossy=%d/reliable=%d/start=%#x", tt.slots, tt.owned, tt.pubs, tt.lossy, tt.reliable, tt.start)
		t.Run(name, func(t *testing.T) {
			r := newRing(t, geometry(tt.slots, tt.owned, tt.pubs))
			r.FormatAt(tt.start)
			each := scale(tt.messages) / tt.pubs
			total := uint64(each * tt.pubs)
			seen := make([]atomic.Uint64, total) // by position, value+1

			type reader struct {
				c        *Cursor
				reliable bool
			}
			var readers []reader
			for i := range tt.lossy {
				readers = append(readers, reader{r.Join(i, FromNow(), false), false})
			}
			for i := range tt.reliable {
				readers = append(readers, reader{r.Join(tt.lossy+i, FromNow(), true), true})
			}
			var done atomic.Bool
			var writing, reading sync.WaitGroup
			for i := range tt.pubs {
				writing.Go(func() {
					p := openPublisher(t, r, i)
					last := uint64(0)
					for n := range uint64(each) {
						at := publish(t, p, uint64(i)<<32|n)
						if at < last || t.Failed() {
							t.Errorf("publisher %d: position %d after %d", i, at, last)
							return
						}
						last = at + 1
						if n%64 == 63 {
							runtime.Gosched() // otherwise each publishes all of its messages in a row
						}
					}
				})
			}
			for _, rd := range readers {
				reading.Go(func() {
					var received, lost uint64
					next := make([]uint64, tt.pubs)
					for !t.Failed() {
						finished := done.Load()
						at := rd.c.Next()
						v, st := take(t, rd.c)
						switch st {
						case Done:
							received++
							pub, n := v>>32, v&(1<<32-1)
							if pub >= uint64(tt.pubs) || n < next[pub] || rd.reliable && n != next[pub] {
								t.Errorf("at %d: message %d of publisher %d, expected %d", at, n, pub, next[min(int(pub), tt.pubs-1)])
								return
							}
							next[pub] = n + 1
							if w := &seen[at-tt.start]; !w.CompareAndSwap(0, v+1) && w.Load() != v+1 {
								t.Errorf("at %d is %#x, another reader saw %#x", at, v, w.Load()-1)
								return
							}
						case Lapped:
							if rd.reliable {
								t.Errorf("a reliable reader is lapped at %d, head %d", at, r.Head())
								return
							}
							from, to := rd.c.Jump()
							lost += to - from
						case Empty:
							rd.c.CaughtUp()
							if finished {
								if received+lost != total || rd.c.Next() != r.Head() {
									t.Errorf("received %d + lost %d of %d; cursor %d, head %d", received, lost, total, rd.c.Next(), r.Head())
								}
								if rd.reliable && received != total {
									t.Errorf("a reliable reader received %d of %d", received, total)
								}
								return
							}
							runtime.Gosched()
						default:
							t.Errorf("status %d", st)
							return
						}
					}
				})
			}
			writing.Wait()
			done.Store(true)
			reading.Wait()
			if h := r.Head(); h != tt.start+total {
				t.Errorf("head %d, want %d", h, tt.start+total)
			}
			expectBalance(t, r)
		})
	}
}

// TestRunsManyToMany runs publishers against readers. The publishers publish runs of all lengths
// and sizes. The readers call Take, which takes a message that is like the one before.
func TestRunsManyToMany(t *testing.T) {
	for _, tt := range []struct {
		slots, owned, pubs int
		reliable           bool
		start              uint64
	}{
		{8, 2, 1, false, 0},
		{8, 2, 3, true, 0},
		{64, 8, 2, true, (1<<32 - 100) << 6},
		{64, 12, 4, false, 0},
		{1024, 8, 2, true, 1<<46 - 1000},
	} {
		t.Run(fmt.Sprintf("slots=%d/owned=%d/pubs=%d/reliable=%v/start=%#x", tt.slots, tt.owned, tt.pubs, tt.reliable, tt.start), func(t *testing.T) {
			r := newRing(t, geometry(tt.slots, tt.owned, tt.pubs))
			r.FormatAt(tt.start)
			each := uint64(scale(100_000) / tt.pubs)
			cursors := []*Cursor{r.Join(0, FromNow(), tt.reliable), r.Join(1, FromNow(), tt.reliable)}
			var writing, reading sync.WaitGroup
			var done atomic.Bool
			sizeOf := func(pub, n uint64) int { return 8 + int((pub+n*7)%41) }
			fill := func(b []byte, pub, n uint64) {
				for i := range b {
					b[i] = byte((pub<<32 | n) >> (i % 8 * 8))
				}
			}
			for i := range uint64(tt.pubs) {
				writing.Go(func() {
					p := openPublisher(t, r, int(i))
					info := layout.MakeFrameInfo(0, layout.FlagWhole, uint16(i), 0)
					for n := uint64(0); n < each && !t.Failed(); {
						var frames [][]byte
						for k := range min(1+n%15, each-n) {
							frames = append(frames, make([]byte, sizeOf(i, n+k)))
							fill(frames[k], i, n+k)
						}
						for len(frames) > 0 && !t.Failed() {
							k, _, st := p.PublishRun(frames, info, uint32(i))
							for st != Done && !t.Failed() {
								if who, _ := p.Rescan(); who >= 0 {
									runtime.Gosched()
								}
								if st = p.Exchange(info|layout.FrameInfo(len(frames[k])), uint32(i)); st == Done {
									k++
								}
							}
							n, frames = n+uint64(k), frames[k:]
						}
					}
				})
			}
			for _, c := range cursors {
				reading.Go(func() {
					next := make([]uint64, tt.pubs)
					received, lost, taken := uint64(0), uint64(0), 0
					var like Match
					var buf, want [48]byte
					for !t.Failed() {
						finished := done.Load()
						at := c.Next()
						n, ok := c.Take(like, buf[:])
						if ok {
							taken++
						} else {
							e, st := c.Peek()
							var info layout.FrameInfo
							if st == Done {
								if info, n, st = c.Read(e, buf[:]); st == Done {
									like = Match{e.Tag(), info.Kind()}
									c.Advance()
								}
							}
							switch {
							case st == Lapped && !tt.reliable:
								from, to := c.Jump()
								lost += to - from
								continue
							case st == Empty && finished:
								if total := each * uint64(tt.pubs); received+lost != total || tt.reliable && received != total {
									t.Errorf("received %d and lost %d of %d", received, lost, total)
								}
								if taken == 0 {
									t.Error("nothing was like the one before")
								}
								return
							case st == Empty:
								c.CaughtUp()
								runtime.Gosched()
								continue
							case st != Done:
								t.Errorf("status %d at %d", st, at)
								return
							}
						}
						received++
						pub := uint64(like.Tag)
						number := words(buf[:])(0) & (1<<32 - 1)
						fill(want[:n], pub, number)
						if n != sizeOf(pub, number) || string(buf[:n]) != string(want[:n]) || number < next[pub] || tt.reliable && number != next[pub] {
							t.Errorf("at %d: %x of publisher %d, expected number %d", at, buf[:n], pub, next[pub])
							return
						}
						next[pub] = number + 1
					}
				})
			}
			writing.Wait()
			done.Store(true)
			reading.Wait()
			expectBalance(t, r)
		})
	}
}

// TestReadersAreLapped: readers that are held up between their first load and their last never
// accept what was published later. A long payload, and a reader that always reads the oldest
// message, give overwriting a chance.
func TestReadersAreLapped(t *testing.T) {
	g := geometry(8, 2, 1)
	g.SlotSize = 1 << 16
	r := newRing(t, g)
	size := g.SlotPayload()
	var stop atomic.Bool
	var writing, reading sync.WaitGroup
	for i := range 1 {
		writing.Go(func() {
			p := openPublisher(t, r, i)
			for v := uint64(0); !stop.Load(); v++ {
				for off := 0; off < size; off += 8 {
					p.FillWord(off, v+uint64(off))
				}
				for p.Exchange(layout.MakeFrameInfo(size, layout.FlagWhole, 0, 0), 0) == Limit {
					p.Rescan()
				}
			}
		})
	}
	var received, torn, lost atomic.Int64
	for _, shortcut := range []bool{false, true} {
		reading.Go(func() {
			c := r.Reader(FromNow())
			buf := make([]byte, size)
			for !stop.Load() {
				e, st := c.Peek()
				if st == Done {
					n, ok := 0, false
					if shortcut {
						at := c.Next()
						if n, ok = c.Take(Match{Kind: layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0).Kind()}, buf); ok {
							c.SetNext(at)
						} else {
							st = Lapped
						}
					} else {
						_, n, st = c.Read(e, buf)
					}
					if st == Done && n == size {
						first := words(buf)(0)
						for off := 0; off < size; off += 8 {
							if words(buf)(off) != first+uint64(off) {
								t.Errorf("torn message at %d: byte %d", c.Next(), off)
								stop.Store(true)
								return
							}
						}
						received.Add(1)
						c.Advance()
						continue
					}
					torn.Add(1)
				}
				switch st {
				case Lapped:
					from, to := c.Jump()
					lost.Add(int64(to - from))
					c.CaughtUp() // so that the next jump lands on the oldest message again
				case Empty:
				default:
					t.Errorf("status %d at %d", st, c.Next())
					return
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	reading.Wait()
	writing.Wait()
	t.Logf("%d received, %d overwritten while they were read, %d lost", received.Load(), torn.Load(), lost.Load())
	expectBalance(t, r)
}

func words(b []byte) func(off int) uint64 {
	return func(off int) uint64 {
		_ = b[off+7]
		var v uint64
		for i := range 8 {
			v |= uint64(b[off+i]) << (8 * i)
		}
		return v
	}
}

// TestOrderOfStores watches publishers from outside: no settled pair of a publisher has a slot that
// is in the ring, and intent and header are stored before the entry.
func TestOrderOfStores(t *testing.T) {
	r := newRing(t, geometry(8, 2, 1))
	p := openPublisher(t, r, 0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for v := uint64(0); !stop.Load(); v++ {
			publish(t, p, v)
		}
	})
	looks := 0
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); looks++ {
		at := r.Head() - 1
		if at+1 == 0 {
			continue
		}
		e := r.load(at)
		position := atomic.LoadUint64(slotPosition(r.slot(e.Slot())))
		intent := atomic.LoadUint64(r.pubWord(0, layout.PubIntent))
		pairs := pubPairs(r, 0)
		if r.load(at) != e || e.Lap() != layout.LapOf(at, r.shift) {
			continue
		}
		if position != at || intent < at+1 {
			t.Errorf("position %d is published; its slot says %d, the intent %d", at, position, intent)
			break
		}
		for _, pair := range pairs {
			if pair == layout.Settled(e.Slot()) {
				t.Errorf("slot %d is in the ring and settled in a pair", e.Slot())
			}
		}
		if t.Failed() {
			break
		}
	}
	stop.Store(true)
	wg.Wait()
}

// TestHeadWhilePublishing: of two heads found one after the other the second is not lower, and each
// lies between what was published before and after the search.
func TestHeadWhilePublishing(t *testing.T) {
	r := newRing(t, geometry(8, 2, 2))
	var stop atomic.Bool
	var low, high atomic.Uint64 // finished and begun publishes
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			p := openPublisher(t, r, i)
			for v := uint64(0); !stop.Load(); v++ {
				high.Add(1)
				publish(t, p, v)
				low.Add(1)
			}
		})
	}
	last := uint64(0)
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline) && !t.Failed(); {
		from := low.Load()
		h := r.Head()
		if to := high.Load(); h < from || h > to || h < last {
			t.Errorf("head %d; %d were published before, %d begun after, %d was found before", h, from, to, last)
		}
		last = h
	}
	stop.Store(true)
	wg.Wait()
}

// TestSuccessionsWhilePublishing: a record changes hands again and again, each owner dying at some
// step, while others publish.
func TestSuccessionsWhilePublishing(t *testing.T) {
	r := newRing(t, geometry(8, 3, 3))
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := 1; i < 3; i++ {
		wg.Go(func() {
			p := openPublisher(t, r, i)
			for v := uint64(0); !stop.Load() && !t.Failed(); v++ {
				publish(t, p, v)
			}
		})
	}
	wg.Go(func() {
		c := r.Reader(FromNow())
		for !stop.Load() && !t.Failed() {
			switch _, st := take(t, c); st {
			case Lapped:
				c.Jump()
			case Empty:
				runtime.Gosched()
			}
		}
	})
	deaths := 0
	for deadline := time.Now().Add(500 * time.Millisecond); time.Now().Before(deadline) && !t.Failed(); deaths++ {
		p, err := r.Publisher(0)
		if err != nil {
			continue // no evidence yet
		}
		publishAll(t, p, 1, 2, 3)
		dieRacing(r, p, step(deaths)%steps)
	}
	stop.Store(true)
	wg.Wait()
	for range 3 {
		for i := range 3 {
			openPublisher(t, r, i)
		}
	}
	expectBalance(t, r)
	if b := r.Audit(); b.Unsettled > 0 {
		t.Errorf("pairs stay open: %+v", b)
	}
	t.Logf("%d deaths, head %d", deaths, r.Head())
}

// dieRacing is // dieAt while others publish: if the compare-and-swap fails, the publisher dies
// then.
func dieRacing(r *Ring, p *Publisher, at step) {
	p.Rescan()
	mine, pair := p.own().number, p.own().pair
	var buf [48]byte
	message(&buf, 5)
	p.Fill(0, buf[:])
	atomic.StoreUint64(slotInfo(r.slot(mine)), uint64(layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0)))
	pos := r.headFrom(p.next)
	w := r.load(pos)
	if layout.LapsAhead(w.Lap(), layout.LapOf(pos, r.shift)) != -1 {
		return
	}
	if at >= position {
		atomic.StoreUint64(slotPosition(r.slot(mine)), pos)
	}
	if at >= intent {
		atomic.StoreUint64(p.intent, pos+1)
	}
	if at >= inFlight {
		atomic.StoreUint64(pair, uint64(layout.InFlight(mine, w.Slot())))
	}
	if at >= swapped && atomic.CompareAndSwapUint64(r.entry(pos&r.mask), uint64(w), uint64(layout.MakeEntry(layout.LapOf(pos, r.shift), 5, mine))) && at >= settled {
		atomic.StoreUint64(pair, uint64(layout.Settled(w.Slot())))
	}
}
