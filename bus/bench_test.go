package bus

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"testing"
)

func BenchmarkRaw(b *testing.B) {
	for _, size := range []int{48, 240, 1000} {
		for i := range 4 {
			rel, form := i%2 == 0, forms[i/2]
			b.Run(fmt.Sprintf("size=%d/reliable=%v/form=%s", size, rel, form.name), func(b *testing.B) {
				b.Setenv("SHMBUS_DIR", b.TempDir())
				h, err := Create("bench", WithSlotSize((size+16+63)/64*64))
				if err != nil {
					b.Fatal(err)
				}
				defer Remove("bench")
				defer h.Close()
				opts := form.receive
				if rel {
					opts = append([]SubscribeOption{Reliable()}, opts...)
				}
				s, _ := h.Subscribe("a", opts...)
				p, _ := h.Publisher("a", form.publish...)
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

// forms are the two forms of publishers and subscriptions.
var forms = []struct {
	name    string
	publish []PublishOption
	receive []SubscribeOption
}{
	{"exclusive", []PublishOption{Exclusive()}, []SubscribeOption{Exclusive()}},
	{"shared", nil, nil},
}

// number16 encodes itself, as generated code does.
type number16 uint64

func (v *number16) MarshalMsg(b []byte) ([]byte, error) {
	return append(b, 0xcf, 0, 0, 0, 0, 0, 0, byte(*v>>8), byte(*v), 0xcf, 0, 0, 0, 0, 0, 0, byte(*v>>8), byte(*v)), nil
}

// BenchmarkAlone times each side by itself, in one goroutine.
func BenchmarkAlone(b *testing.B) {
	ctx := context.Background()
	ending, cancel := context.WithCancel(ctx)
	defer cancel()
	frame := make([]byte, 48)
	var number number16
	for _, form := range forms {
		b.Run("form="+form.name, func(b *testing.B) {
			h := newBus(b, WithSlotSize(64))
			s := subscribe(b, h, "a", form.receive...)
			p := publisher(b, h, "a", form.publish...)
			for name, publish := range map[string]func() error{
				"publish":                   func() error { return p.PublishRaw(ctx, frame) },
				"publish, ctx may end":      func() error { return p.PublishRaw(ending, frame) },
				"publish a value":           func() error { return p.Publish(ctx, &number) },
				"publish, no Publisher":     func() error { return h.PublishRaw(ctx, "a", frame) },
				"publish, topics alternate": func() error { return cmp.Or(h.PublishRaw(ctx, "b", frame), h.PublishRaw(ctx, "c", frame)) },
			} {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := publish(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
			b.Run("both", func(b *testing.B) {
				s.cur.SetNext(h.ring.Head())
				var m Message
				b.ReportAllocs()
				for b.Loop() {
					if err := p.PublishRaw(ctx, frame); err != nil {
						b.Fatal(err)
					}
					if err := s.Receive(ctx, &m); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkShared times publishers and subscriptions that several goroutines use.
func BenchmarkShared(b *testing.B) {
	ctx := context.Background()
	frame := make([]byte, 48)
	for _, goroutines := range []int{1, 2, 8} {
		for name, run := range map[string]func(h *Bus) func() error{
			"one Publisher": func(h *Bus) func() error {
				p := publisher(b, h, "a")
				return func() error { return p.PublishRaw(ctx, frame) }
			},
			"no Publisher": func(h *Bus) func() error {
				return func() error { return h.PublishRaw(ctx, "a", frame) }
			},
			"one Publisher, one Subscription": func(h *Bus) func() error {
				p, s := publisher(b, h, "a"), subscribe(b, h, "a", Reliable())
				return func() error {
					if err := p.PublishRaw(ctx, frame); err != nil {
						return err
					}
					_, err := s.Next(ctx)
					return err
				}
			},
		} {
			b.Run(fmt.Sprintf("%s/goroutines=%d", name, goroutines), func(b *testing.B) {
				call := run(newBus(b, WithSlotSize(64)))
				var wg sync.WaitGroup
				b.ResetTimer()
				for i := range goroutines {
					wg.Go(func() {
						for n := i; n < b.N; n += goroutines {
							if err := call(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
