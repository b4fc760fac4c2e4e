//go:build faults

package fault

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	pl, err := parse("publish.exchanged=kill:3,sleep.bit=stall:2:30ms,join.lives=stop,*=kill:1/5000")
	require.NoError(t, err)
	require.Equal(t, map[Point]rule{
		PublishExchanged: {"kill", 3, time.Second},
		SleepBit:         {"stall", 2, 30 * time.Millisecond},
		JoinLives:        {"stop", 1, time.Second},
	}, pl.rules)
	require.Equal(t, rule{"kill", 5000, time.Second}, pl.any)
	for _, bad := range []string{"x", "publish.exchanged", "publish.exchanged=die", "publish.exchanged=kill:0", "publish.exchanged=kill:1/2",
		"*=kill", "*=kill:3", "nowhere.to-be-seen=kill", "sleep.bit=stall:1:soon"} {
		_, err := parse(bad)
		require.Error(t, err, bad)
	}
}

// The file reports each visit as soon as it happens.
func TestBoard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report")
	b := load(func(k string) string {
		return map[string]string{"SHMBUS_FAULT": "join.filled=stall:2:1ms", "SHMBUS_FAULT_FILE": path, "SHMBUS_FIRST_POSITION": "64"}[k]
	})
	require.Equal(t, uint64(64), b.first)
	b.visit(JoinFilled)
	r, err := ReadReport(path)
	require.NoError(t, err)
	require.Equal(t, Report{Last: JoinFilled, Passed: true, Visits: map[Point]uint64{JoinFilled: 1}}, r)
	b.visit(JoinFilled)
	b.visit(JoinJoined)
	r, err = ReadReport(path)
	require.NoError(t, err)
	require.Equal(t, Report{Last: JoinJoined, Passed: true, At: JoinFilled, Fired: true, Visits: map[Point]uint64{JoinFilled: 2, JoinJoined: 1}}, r)
}
