package bus

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever matches topics begins where it stood, and whoever makes one behind those that are known: with each topic once, ten
// thousand take ten thousand steps and not fifty million.
func TestTopicsAreLookedAtOnce(t *testing.T) {
	b := newBus(t, WithTopics(256))
	h := reopen(t, b)
	in, err := newInterest([]string{">"})
	require.NoError(t, err)
	in.match(h.topics, 0)
	for i := range 100 {
		id, err := b.topics.open(fmt.Sprintf("t.%d", i), b.client)
		require.NoError(t, err)
		require.Equal(t, i, id)
		looked := 0
		h.topics.since(in.ready, func(int) bool { looked++; return true }, nil)
		require.Equal(t, 1, looked)
		in.match(h.topics, 0)
		require.Equal(t, i+1, in.ready)
		_, ready, ok := b.topics.search("not there")
		require.False(t, ok)
		require.Equal(t, i+1, ready)
	}
}
