package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A publisher that looks for room in the middle of a frame has woken for its first fragment: it
// certifies for all but itself, and would move a sleeper past what it has published already.
func TestNobodyIsCertifiedIntoAFrame(t *testing.T) {
	b := newBus(t, WithSlots(64), WithSlotSize(64))
	ctx := soon(t)
	p := publisher(t, b, "a")
	s := subscribe(t, b, "a", Wait(Block))
	frame := make([]byte, 31*40)
	for range 5 {
		for range 20 { // every half lap a publisher looks for room
			require.NoError(t, p.PublishRaw(ctx, []byte{1}))
			_, err := s.Next(ctx)
			require.NoError(t, err)
		}
		var m Message
		got := make(chan error)
		go func() { var err error; m, err = s.Next(ctx); got <- err }()
		eventually(t, "asleep", soundAsleep(t, b))
		require.NoError(t, p.PublishRaw(ctx, frame))
		require.NoError(t, <-got)
		require.Equal(t, frame, m.Raw)
	}
}
