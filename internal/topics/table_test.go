package topics

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment/segtest"
	"shmbus/layout"
)

// A search for new topics begins where the last one ended, and a topic is made after those that are
// known. So ten thousand topics, each opened once, take ten thousand steps and not fifty million.
func TestTopicsAreLookedAtOnce(t *testing.T) {
	seg := segtest.New(t)
	me := layout.MakeOwner(0, 1, layout.OwnerHeld)
	mine, others := NewTable(seg), NewTable(seg)
	all, err := Parse(">")
	require.NoError(t, err)
	in := NewInterest(others, 0, []Pattern{all})
	in.Match()
	for i := range 100 {
		id, err := mine.Open(fmt.Sprintf("t.%d", i), me)
		require.NoError(t, err)
		require.Equal(t, i, id)
		looked := 0
		others.since(in.ready, func(int) bool { looked++; return true }, nil)
		require.Equal(t, 1, looked)
		in.Match()
		require.Equal(t, i+1, in.ready)
		_, ready, ok := mine.find("not there")
		require.False(t, ok)
		require.Equal(t, i+1, ready)
	}
}
