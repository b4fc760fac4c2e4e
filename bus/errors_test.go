package bus

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A publish that waited too long says both why it waits no longer and for whom it waited, also
// where it waited behind another call.
func TestTooLongAWaitIsFullAndDeadline(t *testing.T) {
	for name, publish := range map[string]func(b *Bus, p *Publisher, ctx context.Context) error{
		"Publish":    func(_ *Bus, p *Publisher, ctx context.Context) error { return p.Publish(ctx, 1) },
		"PublishRaw": func(_ *Bus, p *Publisher, ctx context.Context) error { return p.PublishRaw(ctx, []byte{1}) },
		"PublishBatch": func(_ *Bus, p *Publisher, ctx context.Context) error {
			_, err := p.PublishBatch(ctx, [][]byte{{1}})
			return err
		},
		"Bus.Publish": func(b *Bus, _ *Publisher, ctx context.Context) error { return b.Publish(ctx, "t", 1) },
		"Commit": func(_ *Bus, p *Publisher, ctx context.Context) error {
			r, err := p.Reserve(1)
			if err != nil {
				return err
			}
			r.Bytes()[0] = 1
			return r.Commit(ctx)
		},
	} {
		for _, w := range []WaitStrategy{Adaptive, Block, Spin} {
			t.Run(fmt.Sprint(name, "/", w), func(t *testing.T) {
				b := newBus(t, WithSlots(8), WithPublishers(4)) // Bus.Publish has one record
				subscribe(t, b, ">", Reliable())
				p := publisher(t, b, "t", Wait(w))
				for range 8 {
					require.NoError(t, p.Publish(soon(t), 0))
				}
				first := make(chan error)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				go func() { first <- publish(b, p, ctx) }()
				eventually(t, "the first waits", func() bool { return p.stuck.Load() != nil || name == "Commit" || b.stuck() != nil })
				second, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
				defer stop()
				tooLong := func(err, why error) {
					t.Helper()
					assert.ErrorIs(t, err, ErrFull)
					assert.ErrorIs(t, err, why)
					var full *FullError
					require.ErrorAs(t, err, &full)
					assert.Equal(t, "t", full.Topic)
					assert.Equal(t, ">", full.Pattern)
					assert.True(t, full.Self)
					assert.EqualValues(t, 8, full.Lag)
					assert.Regexp(t, `^publish "t" on bus "test-\d+": the ring is full: a reliable subscription to ">" of this very process`, err.Error())
				}
				tooLong(publish(b, p, second), context.DeadlineExceeded)
				cancel()
				tooLong(<-first, context.Canceled)
			})
		}
	}
}

// Errors of calls name the operation, the bus and the topic.
func TestErrorsNameBusAndTopic(t *testing.T) {
	b := newBus(t)
	p, s := publisher(t, b, "eu.SAP"), subscribe(t, b, "eu.*", Also("x"))
	on := func(op, topic string) string {
		if topic == "" {
			return fmt.Sprintf("%s bus %q: ", op, b.Name())
		}
		return fmt.Sprintf("%s %q on bus %q: ", op, topic, b.Name())
	}
	ctx := soon(t)
	check := func(err, is error, op, topic string) {
		t.Helper()
		require.ErrorIs(t, err, is)
		assert.Contains(t, err.Error(), on(op, topic))
		var e *OpError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, OpError{Op: op, Bus: b.Name(), Topic: topic, Err: e.Err}, *e)
	}
	large := make([]byte, p.MaxFrame()+1)
	check(p.PublishRaw(ctx, large), ErrTooLarge, "publish", "eu.SAP")
	check(b.PublishRaw(ctx, "q", large), ErrTooLarge, "publish", "q")
	check(p.PublishRaw(context.Context(nil), []byte{1}), ErrInvalid, "publish", "eu.SAP")
	check(p.Publish(ctx, func() {}), ErrInvalid, "publish", "eu.SAP")
	_, err := p.Reserve(-1)
	check(err, ErrInvalid, "reserve", "eu.SAP")
	check(s.Receive(ctx, nil), ErrInvalid, "receive", "eu.* x")
	check(s.Read(ctx, nil), ErrInvalid, "receive", "eu.* x")
	_, err = b.Subscribe("a.>.b")
	check(err, ErrTopic, "subscribe", "a.>.b")
	_, err = b.Publisher("a.*")
	check(err, ErrTopic, "publish", "a.*")
	check(b.WaitForSubscribers(ctx, "a", 0), ErrInvalid, "wait for subscribers of", "a")

	p.Close()
	s.Close()
	check(p.PublishRaw(ctx, []byte{1}), ErrClosed, "publish", "eu.SAP")
	_, err = p.PublishBatch(ctx, [][]byte{{1}})
	check(err, ErrClosed, "publish", "eu.SAP")
	_, err = s.Next(ctx)
	check(err, ErrClosed, "receive", "eu.* x")
	_, err = s.TryNext()
	check(err, ErrClosed, "receive", "eu.* x")
	_, err = s.ReceiveBatch(ctx, make([]Message, 1))
	check(err, ErrClosed, "receive", "eu.* x")
	b.Close()
	for op, call := range map[string]func() error{
		"evict subscribers of": func() error { _, err := b.Evict(1); return err },
		"take a snapshot of":   func() error { _, err := b.Snapshot(); return err },
		"reap the dead of":     func() error { _, err := b.Reap(); return err },
		"watch deaths of":      func() error { return b.WatchDeaths(ctx, nil) },
		"watch clients of":     func() error { return b.WatchClients(ctx, func(ClientEvent) {}) },
	} {
		check(call(), ErrClosed, op, "")
	}
}

// Policies that contradict each other, and times that make no sense, are errors.
func TestPoliciesThatMakeNoSense(t *testing.T) {
	b := newBus(t)
	for _, opts := range [][]SubscribeOption{
		{EvictAfter(0)}, {DemoteAfter(-1)}, {EvictAfter(-1 << 63)},
		{EvictAfter(time.Second), DemoteAfter(time.Second)}, {DemoteAfter(time.Second), Reliable(), EvictAfter(time.Hour)},
	} {
		_, err := b.Subscribe("t", opts...)
		assert.ErrorIs(t, err, ErrInvalid)
		assert.ErrorContains(t, err, "EvictAfter")
	}
	s, err := b.Subscribe("t", nil, Reliable(), EvictAfter(1<<63-1))
	require.NoError(t, err, "292 years")
	s.Close()
}
