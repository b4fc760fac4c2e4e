//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCorpus(t *testing.T) {
	c, err := writeCorpus(t.TempDir(), 300)
	require.NoError(t, err)
	defer c.file.Close()
	require.NotEmpty(t, c.from)
	require.NoFileExists(t, c.file.Name())
	n := 0
	for lines := bufio.NewScanner(c.file); lines.Scan(); n++ {
		require.True(t, json.Valid(lines.Bytes()))
	}
	require.Equal(t, c.lines, n)
	require.LessOrEqual(t, n, 300)
}

func TestCompare(t *testing.T) {
	file := func(s string) *os.File {
		f, err := nameless()
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		_, err = f.WriteString(s)
		require.NoError(t, err)
		return f
	}
	for _, tt := range []struct {
		name, want, got string
		is              comparison
	}{
		{"same", "a\nb\n", "a\nb\n", comparison{2, 4, true}},
		{"shorter", "a\nb\n", "a\n", comparison{1, 2, false}},
		{"within a line", "a\nbcd\n", "a\nbc", comparison{1, 2, false}},
		{"other", "a\nb\n", "a\nc\n", comparison{1, 2, false}},
		{"empty", "a\n", "", comparison{0, 0, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is, err := compare(file(tt.want), file(tt.got))
			require.NoError(t, err)
			require.Equal(t, tt.is, is)
		})
	}
}
