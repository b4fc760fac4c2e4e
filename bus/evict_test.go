package bus

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Evict ends the reliable subscriptions of a process, asleep or not, and only those; publishers
// that wait for them go on.
func TestEvict(t *testing.T) {
	b := newBus(t, WithSlots(8))
	reader, err := b.Subscribe("x", Reliable())
	require.NoError(t, err)
	sleeper, err := b.Subscribe("y", Reliable())
	require.NoError(t, err)
	lossy, err := b.Subscribe(">")
	require.NoError(t, err)
	slept := make(chan error, 1)
	go func() {
		_, err := sleeper.Next(context.Background())
		slept <- err
	}()
	eventually(t, "it sleeps", func() bool {
		s, err := b.Snapshot()
		return err == nil && s.Subscribers[1].Asleep
	})

	p, err := b.Publisher("x")
	require.NoError(t, err)
	for range 8 {
		require.NoError(t, p.PublishRaw(t.Context(), []byte{1}))
	}
	n, err := b.Evict(os.Getpid() + 1)
	require.NoError(t, err)
	require.Zero(t, n, "another process has none")
	published := make(chan error, 1)
	go func() { published <- p.PublishRaw(context.Background(), []byte{1}) }()
	eventually(t, "it waits", func() bool {
		s, err := b.Snapshot()
		return err == nil && s.Publishers[0].Waiting
	})

	n, err = b.Evict(os.Getpid())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, c := range []chan error{published, slept} {
		select {
		case err := <-c:
			require.True(t, err == nil || errors.Is(err, ErrEvicted), err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "still waits")
		}
	}
	for {
		if _, err = reader.TryNext(); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrEvicted)
	_, err = lossy.TryNext()
	require.NotErrorIs(t, err, ErrEvicted)

	n, err = b.Evict(os.Getpid())
	require.NoError(t, err)
	require.Zero(t, n, "their gates are open already")
	again, err := b.Subscribe("x", Reliable())
	require.NoError(t, err, "the process may subscribe again")
	require.NoError(t, again.Close())
	require.NoError(t, b.Close())
	_, err = b.Evict(1)
	require.ErrorIs(t, err, ErrClosed)
}

// The error of an eviction speaks of a loss only if there is one.
func TestEvictedErrorWithoutALoss(t *testing.T) {
	e := &EvictedError{LossError{From: 65, To: 65}}
	require.Equal(t, ErrEvicted.Error(), e.Error())
	require.NotErrorIs(t, e, ErrLost)
	e.Loss = LossError{From: 65, To: 67, Count: 2}
	require.ErrorContains(t, e, "lost 2 positions between 65 and 67")
	require.ErrorIs(t, e, ErrLost)
}
