package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

// The charts in the repository show the figures of their tables.
func TestChartsAreCurrent(t *testing.T) {
	for _, c := range charts {
		want, err := c.draw(root)
		require.NoError(t, err, c.file)
		have, err := os.ReadFile(filepath.Join(root, "docs", c.file))
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), "%s is not current: make charts", c.file)
	}
}

// Every picture in docs/img is well-formed XML and small.
func TestPicturesAreWellFormed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs/img/*.svg"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Less(t, len(text), 1_000_000, file)
		require.NotContains(t, string(text), "NaN", file)
		for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else {
				require.NoError(t, err, file)
			}
		}
	}
}

func TestValue(t *testing.T) {
	for cell, want := range map[string]float64{"49.7 M/s": 49.7e6, "938 k/s": 938e3, "0.27 µs": 0.27e-6, "13.1": 13.1} {
		v, ok, err := value(cell)
		require.NoError(t, err)
		require.True(t, ok)
		require.InEpsilon(t, want, v, 1e-9, cell)
	}
	_, ok, err := value("")
	require.NoError(t, err)
	require.False(t, ok)
	for _, cell := range []string{"fast", "3 furlongs", "0", "-1 ns"} {
		_, _, err := value(cell)
		require.Error(t, err, cell)
	}
}
