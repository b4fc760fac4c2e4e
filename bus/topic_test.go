package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopicErrors(t *testing.T) {
	require.NoError(t, CheckTopic("a.b"))
	require.NoError(t, CheckPattern("a.*.>"))
	for _, bad := range []string{"", "a..b", "a.>b"} {
		err := CheckTopic(bad)
		require.ErrorIs(t, err, ErrTopic)
		require.ErrorContains(t, err, "invalid topic")
		err = CheckPattern(bad)
		require.ErrorIs(t, err, ErrTopic)
		require.ErrorContains(t, err, "invalid pattern of topics")
	}
}
