package bus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTopicErrors(t *testing.T) {
	require.NoError(t, ValidTopic("a.b"))
	require.NoError(t, ValidPattern("a.*.>"))
	for _, bad := range []string{"", "a..b", "a.>b"} {
		err := ValidTopic(bad)
		require.ErrorIs(t, err, ErrTopic)
		require.ErrorContains(t, err, "invalid topic")
		err = ValidPattern(bad)
		require.ErrorIs(t, err, ErrTopic)
		require.ErrorContains(t, err, "invalid pattern of topics")
	}
}
