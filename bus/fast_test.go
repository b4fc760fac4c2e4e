package bus

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// receivers are the ways to receive one message.
var receivers = map[string]func(t *testing.T, s *Subscription) (Message, error){
	"Next":    func(t *testing.T, s *Subscription) (Message, error) { return s.Next(soon(t)) },
	"TryNext": func(t *testing.T, s *Subscription) (Message, error) { return s.TryNext() },
	"Read": func(t *testing.T, s *Subscription) (m Message, err error) {
		err = s.Read(soon(t), func(v View) error { m = v.Clone(); return nil })
		return m, err
	},
	"ReceiveBatch": func(t *testing.T, s *Subscription) (Message, error) {
		batch := make([]Message, 1)
		_, err := s.ReceiveBatch(soon(t), batch)
		return batch[0], err
	},
}

// A message that is like the one before it in all but one respect is received as what it is.
func TestNoMatch(t *testing.T) {
	for name, other := range map[string]func(t *testing.T, b *Bus, p *Publisher) *Publisher{
		"the same":          func(_ *testing.T, _ *Bus, p *Publisher) *Publisher { return p },
		"another publisher": func(t *testing.T, b *Bus, _ *Publisher) *Publisher { return publisher(t, b, "a") },
		"another topic":     func(t *testing.T, b *Bus, _ *Publisher) *Publisher { return publisher(t, b, "b") },
		"with a time":       func(t *testing.T, b *Bus, _ *Publisher) *Publisher { return publisher(t, b, "a", WithTime()) },
		"the record's next owner": func(t *testing.T, b *Bus, p *Publisher) *Publisher {
			require.NoError(t, p.Close())
			q := publisher(t, b, "a")
			require.Equal(t, p.Index(), q.Index())
			return q
		},
		"the record's next owner, on another topic": func(t *testing.T, b *Bus, p *Publisher) *Publisher {
			require.NoError(t, p.Close())
			q := publisher(t, b, "b")
			require.Equal(t, p.Index(), q.Index())
			return q
		},
		"another topic with the same tag": func(t *testing.T, b *Bus, p *Publisher) *Publisher {
			return publisher(t, b, topicWithTag(p.tag))
		},
		"the record's next owner, on another topic with the same tag": func(t *testing.T, b *Bus, p *Publisher) *Publisher {
			require.NoError(t, p.Close())
			q := publisher(t, b, topicWithTag(p.tag))
			require.Equal(t, p.Index(), q.Index())
			return q
		},
	} {
		ways := map[string]func(t *testing.T, s *Subscription, n int) []Message{
			"in a batch": func(t *testing.T, s *Subscription, n int) []Message { return receiveAll(t, s, n, 100) },
		}
		for way, receive := range receivers {
			ways[way] = func(t *testing.T, s *Subscription, n int) (all []Message) {
				for range n {
					m, err := receive(t, s)
					require.NoError(t, err)
					all = append(all, m.Clone())
				}
				return all
			}
		}
		for way, receive := range ways {
			for _, size := range []int{1, 40, 41, 48, 49, 100, 1000} {
				t.Run(fmt.Sprintf("%s/%s/%d bytes", name, way, size), func(t *testing.T) {
					b := newBus(t, WithSlots(64), WithSlotSize(64))
					subs := []*Subscription{
						subscribe(t, b, ">"), subscribe(t, b, "a"),
						subscribe(t, b, ">", Exclusive()), subscribe(t, b, "a", Exclusive()),
					}
					p := publisher(t, b, "a")
					require.NoError(t, p.PublishRaw(soon(t), frame(1)))
					for _, s := range subs {
						m, err := s.Next(soon(t))
						require.NoError(t, err)
						require.Equal(t, uint64(1), number(m))
					}
					require.NoError(t, p.PublishRaw(soon(t), frame(2)))
					q := other(t, b, p)
					f := contents(size, 3)
					require.NoError(t, q.PublishRaw(soon(t), f))
					last := publisher(t, b, "a")
					require.NoError(t, last.PublishRaw(soon(t), frame(4)))
					for _, s := range subs {
						want := [][]any{
							{"a", p.Index(), frame(2), false}, {q.topic, q.Index(), f, q.stamp}, {"a", last.Index(), frame(4), false},
						}
						if !s.in.All && q.topic != "a" {
							want = slices.Delete(want, 1, 2)
						}
						var got [][]any
						for _, m := range receive(t, s, len(want)) {
							got = append(got, []any{m.Topic, m.Publisher, m.Raw, !m.Time().IsZero()})
						}
						require.Equal(t, want, got)
					}
				})
			}
		}
	}
}

// topicWithTag returns a topic with the tag that is not "a".
func topicWithTag(tag uint32) string {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("t%d", i); layout.TopicTag(layout.TopicHash(name)) == tag {
			return name
		}
	}
}

// A fragment is never taken for a message, be its publisher, topic and tag all zero: neither by one
// who comes in the middle of a frame and has received nothing, nor by one who has, whether they
// wait for each fragment or find them there.
func TestFragmentIsNoMessage(t *testing.T) {
	for _, tag := range []uint32{0, 1} {
		for way, receive := range receivers {
			t.Run(fmt.Sprintf("tag=%d/%s", tag, way), func(t *testing.T) {
				b := newBus(t, WithSlots(64), WithSlotSize(64))
				p := publisher(t, b, topicWithTag(tag))
				require.Zero(t, p.id)
				require.Zero(t, p.Index())
				// expect has a subscription receive a message, once the function that it returns is
				// called.
				expect := func(s *Subscription, want []byte) (received func()) {
					done := make(chan error)
					go func() {
						m, err := receive(t, s)
						for ; errors.Is(err, ErrEmpty); m, err = receive(t, s) {
							time.Sleep(time.Millisecond)
						}
						if err == nil && string(m.Raw) != string(want) {
							err = fmt.Errorf("received %x", m.Raw)
						}
						done <- err
					}()
					return func() { require.NoError(t, <-done) }
				}
				there := subscribe(t, b, ">", Wait(Yield))
				require.NoError(t, p.PublishRaw(soon(t), contents(120, 0)))
				late := subscribe(t, b, ">", FromPosition(1), Wait(Yield))
				expect(there, contents(120, 0))()

				frame, next := contents(120, 1), contents(120, 2)
				received := []func(){expect(there, frame), expect(late, frame)}
				for i := range 3 {
					if i > 0 {
						// Everybody waits for this one.
						received = append(received, expect(subscribe(t, b, ">", Wait(Yield)), next))
						time.Sleep(2 * time.Millisecond)
					}
					p.ring.FillWord(0, uint64(i)<<32|120)
					p.ring.Fill(8, frame[40*i:40*i+40])
					flags := []uint8{layout.FlagFirst, 0, layout.FlagLast}[i]
					require.NoError(t, p.exchangeSlow(soon(t), layout.MakeFrameInfo(48, flags, p.whole.Publisher(), p.id)))
				}
				received[0]()
				received[1]()
				require.NoError(t, p.PublishRaw(soon(t), next))
				received[2]()
				received[3]()
			})
		}
	}
}

// Of a frame of which the rest was lost, the beginning is reported as lost before the next message
// of its publisher, though that is like the one before the frame.
func TestBrokenFrameBeforeMatch(t *testing.T) {
	for way, receive := range receivers {
		t.Run(way, func(t *testing.T) {
			b := newBus(t, WithSlots(64), WithSlotSize(64))
			s, p := subscribe(t, b, ">"), publisher(t, b, "a")
			require.NoError(t, p.PublishRaw(soon(t), frame(0)))
			_, err := s.Next(soon(t))
			require.NoError(t, err)
			p.ring.FillWord(0, 100)
			require.NoError(t, p.exchangeSlow(soon(t), layout.MakeFrameInfo(48, layout.FlagFirst, p.whole.Publisher(), p.id)))
			_, err = s.TryNext()
			require.ErrorIs(t, err, ErrEmpty)
			_, err = p.PublishBatch(soon(t), numbered(2, 70))
			require.NoError(t, err)
			for _, want := range []LossError{{From: 2, To: 8, Count: 6}, {From: 1, To: 8, Count: 1}} {
				var loss *LossError
				_, err := receive(t, s)
				require.ErrorAs(t, err, &loss)
				require.Equal(t, want, *loss)
			}
			m, err := receive(t, s)
			require.NoError(t, err)
			require.Equal(t, uint64(8), number(m))
		})
	}
}

// A frame that its publisher has given up, and that nobody ends, costs others nothing: their
// messages are still taken the short way.
func TestMatchBesideABrokenFrame(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	s, p, q := subscribe(t, b, ">"), publisher(t, b, "a"), publisher(t, b, "b")
	q.ring.FillWord(0, 100)
	require.NoError(t, q.exchangeSlow(soon(t), layout.MakeFrameInfo(48, layout.FlagFirst, q.whole.Publisher(), q.id)))
	for i := range uint64(3) {
		require.NoError(t, p.PublishRaw(soon(t), frame(i)))
	}
	m, err := s.Next(soon(t))
	require.NoError(t, err)
	require.Zero(t, number(m))
	require.True(t, s.frag.pending())
	require.True(t, s.takeMatch(&m))
	require.Equal(t, uint64(1), number(m))
	require.NoError(t, q.PublishRaw(soon(t), frame(7)))
	for _, want := range []uint64{2, 7} {
		m, err := s.Next(soon(t))
		require.NoError(t, err)
		require.Equal(t, want, number(m))
	}
	require.False(t, s.frag.pending())
	require.Zero(t, s.Stats().Lost)
}

// What was said to be over stays so, though there are messages, and though they are like the last
// one received.
func TestEvictedReceivesNoMore(t *testing.T) {
	forms := map[string][]SubscribeOption{"shared": {EvictAfter(1)}, "exclusive": {EvictAfter(1), Exclusive()}}
	for way, receive := range receivers {
		for name, notice := range map[string]func(t *testing.T, b *Bus, s *Subscription, p *Publisher){
			"overtaken": func(t *testing.T, b *Bus, _ *Subscription, p *Publisher) {
				for i := range uint64(150) {
					require.NoError(t, p.PublishRaw(soon(t), frame(i)))
				}
			},
			"idle": func(t *testing.T, b *Bus, s *Subscription, p *Publisher) {
				require.True(t, b.ring.OpenGate(s.index, b.ring.Gate(s.index), layout.GateEvicted))
			},
		} {
			for form, opts := range forms {
				t.Run(name+"/"+way+"/"+form, func(t *testing.T) {
					b := newBus(t, WithSlots(64))
					s, p := subscribe(t, b, ">", opts...), publisher(t, b, "a")
					for i := range uint64(3) {
						require.NoError(t, p.PublishRaw(soon(t), frame(i)))
						_, err := s.Next(soon(t))
						require.NoError(t, err)
					}
					notice(t, b, s, p)
					_, err := s.Next(soon(t))
					require.ErrorIs(t, err, ErrEvicted)
					for i := range uint64(3) {
						require.NoError(t, p.PublishRaw(soon(t), frame(i)))
						_, err = receive(t, s)
						require.ErrorIs(t, err, ErrEvicted)
					}
					require.Equal(t, uint64(3), s.Stats().Received)
				})
			}
		}
	}
}
