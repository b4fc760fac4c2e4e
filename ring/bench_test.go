package ring

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"shmbus/layout"
)

func benchGeometry(size, pubs int) layout.Geometry {
	g := layout.Default()
	g.SlotSize = (size + layout.FrameHeaderSize + 63) / 64 * 64
	g.Publishers = pubs
	return g
}

func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

func BenchmarkExchange(b *testing.B) {
	for _, pubs := range []int{1, 2, 8} {
		for _, size := range []int{48, 240, 1008} {
			b.Run(fmt.Sprintf("pubs=%d/size=%d", pubs, size), func(b *testing.B) {
				r := newRing(b, benchGeometry(size, pubs))
				payload := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var wg sync.WaitGroup
				b.ResetTimer()
				for i := range pubs {
					n := b.N / pubs
					if i == 0 {
						n += b.N % pubs
					}
					wg.Go(func() {
						p := openPublisher(b, r, i)
						for range n {
							benchPublish(p, payload)
						}
					})
				}
				wg.Wait()
				perSecond(b)
			})
		}
	}
}

func benchPublish(p *Publisher, payload []byte) {
	p.Fill(0, payload)
	for p.Exchange(layout.MakeFrameInfo(len(payload), layout.FlagWhole, 0, 0), 0) != Done {
		if who, _ := p.Rescan(); who >= 0 {
			runtime.Gosched()
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, how := range []string{"copy", "view"} {
		for _, size := range []int{48, 240, 1008} {
			b.Run(fmt.Sprintf("how=%s/size=%d", how, size), func(b *testing.B) {
				r := newRing(b, benchGeometry(size, 1))
				p := openPublisher(b, r, 0)
				for range r.Slots() {
					benchPublish(p, make([]byte, size))
				}
				c := r.Reader(FromOldest())
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					e, st := c.Peek()
					if st != Done {
						c.SetNext(0)
						e, _ = c.Peek()
					}
					if how == "copy" {
						_, _, st = c.Read(e, buf)
					} else {
						var info layout.FrameInfo
						info, _, _ = c.View(e)
						st = c.Valid(e, info)
					}
					if st != Done {
						b.Fatal(st)
					}
					c.Advance()
				}
				perSecond(b)
			})
		}
	}
}

// BenchmarkThrough sends messages from publishers to reliable readers, all running at once.
func BenchmarkThrough(b *testing.B) {
	for _, pubs := range []int{1, 4} {
		for _, readers := range []int{1, 4} {
			b.Run(fmt.Sprintf("pubs=%d/readers=%d/size=48", pubs, readers), func(b *testing.B) {
				r := newRing(b, benchGeometry(48, pubs))
				payload := make([]byte, 48)
				total := uint64(b.N/pubs) * uint64(pubs)
				var wg sync.WaitGroup
				for i := range readers {
					c := r.Join(i, FromNow(), true)
					wg.Go(func() {
						buf := make([]byte, 48)
						for c.Next() < total {
							e, st := c.Peek()
							if st == Done {
								_, _, st = c.Read(e, buf)
							}
							switch st {
							case Done:
								c.Advance()
							case Empty:
								runtime.Gosched()
							default:
								b.Error(st)
								return
							}
						}
					})
				}
				b.ReportAllocs()
				b.ResetTimer()
				for i := range pubs {
					wg.Go(func() {
						p := openPublisher(b, r, i)
						for range b.N / pubs {
							benchPublish(p, payload)
						}
					})
				}
				wg.Wait()
				perSecond(b)
			})
		}
	}
}

func BenchmarkHead(b *testing.B) {
	for _, pubs := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("pubs=%d", pubs), func(b *testing.B) {
			r := newRing(b, benchGeometry(48, pubs))
			publish(b, openPublisher(b, r, 0), 1)
			var sum atomic.Uint64
			for b.Loop() {
				sum.Add(r.Head())
			}
		})
	}
}

// BenchmarkRescan measures what a publisher does every half lap.
func BenchmarkRescan(b *testing.B) {
	for _, gates := range []int{0, 1, 64, 256} {
		b.Run(fmt.Sprintf("gates=%d", gates), func(b *testing.B) {
			r := newRing(b, benchGeometry(48, 1))
			for s := range gates {
				r.Join(s, FromNow(), true)
			}
			p := openPublisher(b, r, 0)
			for b.Loop() {
				p.Rescan()
			}
		})
	}
}
