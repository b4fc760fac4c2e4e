package topics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckAndParse(t *testing.T) {
	long := strings.Repeat("a", 200)
	for _, c := range []struct {
		topic          string
		topicOK, patOK bool
	}{
		{"a", true, true}, {"eu.equities.SAP", true, true}, {"ü.日本", true, true},
		{long, true, true}, {"a-b_c/d", true, true},
		{"", false, false}, {".", false, false}, {"a.", false, false}, {".a", false, false},
		{"a..b", false, false},
		{"a b", false, false}, {"a\tb", false, false}, {"a\x00", false, false},
		{"\xff", false, false}, {long + "a", false, false},
		{"*", false, true}, {"a.*", false, true}, {">", false, true}, {"a.>", false, true},
		{"*.b.>", false, true},
		{"a*", false, false}, {">.a", false, false}, {"a.>b", false, false},
	} {
		t.Run(c.topic, func(t *testing.T) {
			err := Check(c.topic)
			require.Equal(t, c.topicOK, err == nil, "topic: %v", err)
			_, err = Parse(c.topic)
			require.Equal(t, c.patOK, err == nil, "pattern: %v", err)
		})
	}
}

func TestPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, topic string
		want           bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a.b", false}, {"a.b", "a", false},
		{"a.b", "a.b", true},
		{"*", "a", true}, {"*", "a.b", false}, {"*.b", "a.b", true}, {"*.b", "a.c", false},
		{"a.*", "a", false}, {"a.*", "a.b.c", false},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a", false}, {"a.>", "a.b", true},
		{"a.>", "a.b.c", true}, {"a.>", "b.c", false},
		{"*.*.>", "a.b", false}, {"*.*.>", "a.b.c", true}, {"ab", "a", false},
		{"a", "ab", false},
	} {
		p, err := Parse(c.pattern)
		require.NoError(t, err)
		require.Equal(t, c.want, p.Matches(c.topic), "%s ~ %s", c.pattern, c.topic)
	}
}
