//go:build linux

package main

import (
	"encoding/json"
	"testing"

	"shmbus/internal/testproc"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

func TestTopics(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	for _, topic := range []string{"us.b", "eu.a"} {
		p, err := b.Publisher(topic)
		require.NoError(t, err)
		require.NoError(t, p.Publish(t.Context(), 7))
	}
	r := busd(t, "topics", "prices")
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, `^TOPIC  ID  PUBS  SUBS  MESSAGES  BYTES
eu.a    1     1     0         1    \d B
us.b    0     1     0         1    \d B
$`, r.stdout)

	var list []bus.TopicStatus
	require.NoError(t, json.Unmarshal([]byte(busd(t, "topics", "prices", "--json").stdout), &list))
	require.Equal(t, []string{"eu.a", "us.b"}, []string{list[0].Name, list[1].Name})
	require.Equal(t, uint64(1), list[0].Messages)
}
