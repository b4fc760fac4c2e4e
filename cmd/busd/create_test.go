//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"shmbus/internal/testproc"

	"github.com/stretchr/testify/require"
)

// Sizes that are rounded are not rounded silently.
func TestAdjustedSizesAreSaid(t *testing.T) {
	testproc.Folder(t)
	removeAfter(t, "prices", "audit")
	r := busd(t, "create", "prices", "--slots", "64", "--subscribers", "1", "--quiet")
	require.Zero(t, r.code, r.stderr)
	require.Equal(t, "note: bus prices: subscribers 1 becomes 64\n", r.stderr)
	p := startBusd(t, "serve", "-b", "audit", "--slots", "64", "--subscribers", "1", "--max-frame", "1M")
	p.logs(`level=WARN msg="sizes are not as asked for" bus=audit sizes="max-frame 1M becomes \d+, subscribers 1 becomes 64"`)
}

// serve --check looks at flags and file as serve does, also where the buses exist, and makes none.
func TestServeCheck(t *testing.T) {
	dir := testproc.Folder(t)
	path := filepath.Join(t.TempDir(), "busd.conf")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("[prices]\nslots = 64\nsubscribers = 1\n[audit]\nmode = 0660\n")
	r := busd(t, "serve", "--check", "--config", path)
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, `^prices: 64 slots of 256 bytes, .* mode 0600 \(subscribers 1 becomes 64\)\naudit: 16384 slots of 256 bytes, .* mode 0660\n$`, r.stdout)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)

	makeBus(t, "prices").Close()
	write("[prices]\nslots = 1000\n")
	for _, args := range [][]string{{"--check"}, nil} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r = busdContext(ctx, append([]string{"serve", "--config", path}, args...)...)
		cancel()
		require.Equal(t, 2, r.code, r.stderr)
		require.Contains(t, r.stderr, path+":1: bus prices: impossible sizes: slots 1000", "though the bus exists")
	}
}
