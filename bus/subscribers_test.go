package bus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A subscription that was waited for receives what is published afterwards, whether or not it is in
// a call, and whether or not the topic existed.
func TestWaitForSubscribers(t *testing.T) {
	b := newBus(t)
	far := reopen(t, b)
	ctx := soon(t)
	done := make(chan error)
	go func() { done <- b.WaitForSubscribers(ctx, "a.b", 3) }()
	s1 := subscribe(t, b, "a.*")
	s2 := subscribe(t, far, "x", Also("a.>"), Reliable())
	subscribe(t, far, "a.c")
	o := observe(t, b)
	_, err := o.Subscribe("a.b") // nobody sees it
	require.NoError(t, err)
	select {
	case <-done:
		t.Fatal("there are two")
	case <-time.After(30 * time.Millisecond):
	}
	received := make(chan error)
	go func() {
		s3 := subscribe(t, far, ">", Wait(Block))
		_, err := s3.Next(ctx)
		received <- err
	}()
	require.NoError(t, <-done)
	require.NoError(t, b.Publish(ctx, "a.b", 1))
	for _, s := range []*Subscription{s1, s2} {
		_, err := s.TryNext()
		assert.NoError(t, err)
	}
	assert.NoError(t, <-received)
}

// Patterns that are longer than their place in the record count by what is whole of them, and by
// the topics that they are known to want.
func TestWaitForSubscribersWithLongPatterns(t *testing.T) {
	b := newBus(t)
	ctx := soon(t)
	long := strings.Repeat("x", 120)
	s := subscribe(t, b, "first", Also(long, "last"))
	assert.NoError(t, b.WaitForSubscribers(ctx, "first", 1))
	wants := func(topic string) int {
		n, err := b.subscribersOf(topic)
		require.NoError(t, err)
		return n
	}
	assert.Zero(t, wants("last"), "it stands nowhere, and the subscription has not looked")
	require.NoError(t, b.Publish(ctx, "last", 1))
	_, err := s.Next(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, wants("last"))
	assert.Zero(t, wants(long[:10]), "the beginning of a pattern is none")
}

func TestWaitForSubscribersEnds(t *testing.T) {
	b := newBus(t)
	subscribe(t, b, "t").Close()
	subscribe(t, b, "t")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := b.WaitForSubscribers(ctx, "t", 2)
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	var few *SubscribersError
	require.ErrorAs(t, err, &few)
	assert.Equal(t, SubscribersError{Bus: b.Name(), Topic: "t", Want: 2, Have: 1, Err: context.DeadlineExceeded}, *few)
	assert.ErrorIs(t, b.WaitForSubscribers(ctx, "t", 1), context.DeadlineExceeded, "it had ended before the call")

	for topic, n := range map[string]int{"t": 0, "t.": 1, "t.x": -1, "many": 1 << 20} {
		err := b.WaitForSubscribers(soon(t), topic, n)
		assert.Error(t, err, "%s %d", topic, n)
		assert.NotErrorIs(t, err, context.DeadlineExceeded)
	}
	assert.ErrorIs(t, b.WaitForSubscribers(context.Context(nil), "t", 1), ErrInvalid)
	removed := make(chan error)
	go func() { removed <- b.WaitForSubscribers(soon(t), "t", 2) }()
	time.Sleep(10 * time.Millisecond)
	b.Close()
	assert.ErrorIs(t, <-removed, ErrClosed)
}

// A subscription that was cut off is none that one waits for, but the one that has its record next
// is.
func TestWaitForSubscribersAmongTheEvicted(t *testing.T) {
	b := newBus(t, WithSlots(8))
	s := subscribe(t, b, "t", EvictAfter(time.Millisecond))
	require.NoError(t, b.WaitForSubscribers(soon(t), "t", 1))
	for range 20 {
		require.NoError(t, b.Publish(soon(t), "t", 1))
	}
	n, err := b.subscribersOf("t")
	require.NoError(t, err)
	assert.Zero(t, n)
	s.Close()
	subscribe(t, b, "t")
	require.NoError(t, b.WaitForSubscribers(soon(t), "t", 1))
}

// One whose process was killed is none either, from the moment of its death.
func TestWaitForSubscribersAmongTheDead(t *testing.T) {
	var b *Bus
	if !inChild() {
		b = newBus(t, WithSlots(64))
	}
	kill := child(t, b, func(h *Bus, say func(string)) {
		keep(h.Subscribe("t", Reliable()))
		keep(h.Subscribe(">"))
		say("ready")
	})
	subscribe(t, b, "t")
	require.NoError(t, b.WaitForSubscribers(soon(t), "t", 3))
	kill()
	n, err := b.subscribersOf("t")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
}
