package bus

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkRaw(b *testing.B) {
	for _, size := range []int{48, 240, 1000} {
		for _, rel := range []bool{true, false} {
			b.Run(fmt.Sprintf("size=%d/reliable=%v", size, rel), func(b *testing.B) {
				b.Setenv("SHMBUS_DIR", b.TempDir())
				h, err := Create("bench", WithSlotSize((size+16+63)/64*64))
				if err != nil {
					b.Fatal(err)
				}
				defer Remove("bench")
				defer h.Close()
				opts := []SubscribeOption{}
				if rel {
					opts = append(opts, Reliable())
				}
				s, _ := h.Subscribe("a", opts...)
				p, _ := h.Publisher("a")
				ctx := context.Background()
				n := b.N
				done := make(chan error)
				msgs, lost := 0, 0
				go func() {
					var m Message
					for msgs+lost < n {
						if err := s.Receive(ctx, &m); err != nil {
							if l, ok := err.(*LossError); ok {
								lost += int(l.Count)
								continue
							}
							done <- err
							return
						}
						msgs++
					}
					done <- nil
				}()
				frame := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < n; i++ {
					if err := p.PublishRaw(ctx, frame); err != nil {
						b.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(lost)/float64(n), "lost/op")
			})
		}
	}
}

// BenchmarkAlone times each side by itself, in one goroutine.
func BenchmarkAlone(b *testing.B) {
	b.Setenv("SHMBUS_DIR", b.TempDir())
	h, err := Create("bench", WithSlotSize(64))
	if err != nil {
		b.Fatal(err)
	}
	defer Remove("bench")
	defer h.Close()
	s, _ := h.Subscribe("a")
	p, _ := h.Publisher("a")
	ctx := context.Background()
	frame := make([]byte, 48)
	b.Run("publish", func(b *testing.B) {
		for b.Loop() {
			if err := p.PublishRaw(ctx, frame); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("both", func(b *testing.B) {
		s.cur.SetNext(h.ring.Head())
		var m Message
		for b.Loop() {
			if err := p.PublishRaw(ctx, frame); err != nil {
				b.Fatal(err)
			}
			if err := s.Receive(ctx, &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}
