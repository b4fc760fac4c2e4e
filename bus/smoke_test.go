package bus

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	t.Setenv("SHMBUS_DIR", t.TempDir())
	b, err := Create("smoke")
	require.NoError(t, err)
	defer Remove("smoke")
	defer b.Close()
	s, err := b.Subscribe("a.>", Reliable())
	require.NoError(t, err)
	p, err := b.Publisher("a.b")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	go func() {
		for i := range 200000 {
			p.Publish(ctx, i)
		}
	}()
	for i := range 200000 {
		m, err := s.Next(ctx)
		require.NoError(t, err)
		var v int
		require.NoError(t, m.Decode(&v))
		require.Equal(t, i, v)
		require.Equal(t, "a.b", m.Topic)
	}
	big := make([]byte, 1<<20)
	go func() { time.Sleep(50 * time.Millisecond); p.Publish(ctx, big) }()
	m, err := s.Next(ctx)
	require.NoError(t, err)
	var got []byte
	require.NoError(t, m.Decode(&got))
	require.Equal(t, big, got)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	t.Logf("%+v", snap)
	books, _ := b.Audit()
	require.True(t, books.Balanced(), "%+v", books)
}
