//go:build linux

package members

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of n clients each has its own moments, an interval apart, and none has to wait for longer than
// alertMost.
func TestTurns(t *testing.T) {
	const interval, most = alertInterval, alertMost
	for _, n := range []int{1, 2, 3, 25, 50, 51, 1000} {
		round := min(time.Duration(n)*interval, most)
		for _, now := range []time.Duration{0, 1, interval, 12345678912345} {
			turns := map[time.Duration]bool{}
			for rank := range n {
				next := turnAfter(now, rank, round, interval)
				require.Greater(t, next, time.Duration(0))
				require.LessOrEqual(t, next, round)
				after := turnAfter(now+next, rank, round, interval)
				require.Equal(t, round, after, "the turn after that")
				turns[(now+next)%round] = true
			}
			require.Len(t, turns, int(round/interval), "n=%d", n)
		}
	}
}
