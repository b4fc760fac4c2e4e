package bus

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

// Close comes from any goroutine, in the middle of everything; afterwards nothing is attached and
// every record is free.
func TestCloseInTheMiddle(t *testing.T) {
	b := newBus(t, WithSlots(64))
	for range 30 {
		h, err := OpenKey(b.Key())
		require.NoError(t, err)
		var wg sync.WaitGroup
		for range 3 {
			p, s := publisher(t, h, "a"), subscribe(t, h, ">", Reliable())
			wg.Go(func() {
				for {
					if err := p.PublishRaw(context.Background(), []byte{1}); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
			wg.Go(func() {
				for {
					if _, err := s.Next(context.Background()); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		time.Sleep(time.Millisecond) // somewhere in the middle; any moment will do
		require.NoError(t, h.Close())
		wg.Wait()
		eventually(t, "detached", func() bool {
			st, err := sysvshm.FromID(b.ShmID()).Stat()
			require.NoError(t, err)
			return st.Attached == 1
		})
	}
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Empty(t, snap.Publishers)
	require.Empty(t, snap.Subscribers)
	require.Len(t, snap.Clients, 1)
	require.Zero(t, snap.Deaths, "leaving is not dying")
	books := b.ring.Audit()
	require.True(t, books.Balanced(), "%+v", books)
}

func TestUseAfterClose(t *testing.T) {
	b := newBus(t)
	h := reopen(t, b)
	p, s := publisher(t, h, "a"), subscribe(t, h, ">")
	require.NoError(t, h.Close())
	require.ErrorIs(t, p.Publish(context.Background(), 1), ErrClosed)
	require.ErrorIs(t, p.PublishRaw(context.Background(), []byte{1}), ErrClosed)
	_, err := p.Reserve(1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Next(context.Background())
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.TryNext()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Read(context.Background(), nil), ErrClosed)
	require.Zero(t, s.Lag())
	require.NoError(t, p.Close())
	require.NoError(t, s.Close())
	_, err = h.Publisher("a")
	require.ErrorIs(t, err, ErrClosed)
	_, err = h.Subscribe("a")
	require.ErrorIs(t, err, ErrClosed)
	_, err = h.Snapshot()
	require.ErrorIs(t, err, ErrClosed)
	_, err = h.Reap()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, h.WatchDeaths(context.Background(), nil), ErrClosed)
}
