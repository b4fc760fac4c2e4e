//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/sysvshm"
)

func TestLs(t *testing.T) {
	dir := testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithDaemon())
	p, err := b.Publisher("a")
	require.NoError(t, err)
	defer p.Close() // until then the listing counts it: the collector closes what nobody refers to
	require.NoError(t, p.Publish(t.Context(), "x"))
	require.NoError(t, p.Publish(t.Context(), strings.Repeat("x", 300))) // three slots
	gone := makeBus(t, "gone")
	discard(gone.ShmID(), gone.SemID())
	gone.Close()

	r := busd(t, "ls")
	require.Zero(t, r.code, r.stderr)
	require.Regexp(t, `(?m)^NAME +STATE +SEGMENT +SLOTS +MESSAGES +POSITIONS +PUBS +SUBS +BUSD +MODE +OWNER +FOLDER +KEY +SHMID +SEMID +NOTE$`, r.stdout)
	require.Regexp(t, `(?m)^prices +live +.* KiB +64×128 +2 +4 +1 +0 +\d+ `, r.stdout)
	require.Regexp(t, `(?m)^gone +stale `, r.stdout)

	var list []lsEntry
	require.NoError(t, json.Unmarshal([]byte(busd(t, "ls", "--json").stdout), &list))
	require.Len(t, list, 2)
	require.Equal(t, "stale", list[0].State)
	require.NotEmpty(t, list[0].Error)
	require.Equal(t, lsEntry{
		Name: "prices", State: "live", UUID: b.UUID(), Path: filepath.Join(dir, "prices.shmbus"), Key: b.Key(), ShmID: b.ShmID(), SemID: b.SemID(),
		UID: os.Geteuid(), GID: os.Getegid(), Mode: "0600",
		Slots: 64, SlotSize: 128, SizeBytes: b.Sizes().Segment, Head: 4, Messages: 2, Clients: 1, Publishers: 1, DaemonPids: []int{os.Getpid()},
	}, list[1])
}

// Buses of one name in two folders are told apart, and each is looked at where it is.
func TestLsOfTwoFolders(t *testing.T) {
	elsewhere := bus.Entry{Name: "prices", State: "live", Path: filepath.Join(t.TempDir(), "prices.shmbus")}
	dir := testproc.Folder(t)
	b := makeBus(t, "prices", bus.WithSlots(128))
	require.Zero(t, newLsEntry(elsewhere).Slots, "it is not the one of that name in SHMBUS_DIR")
	elsewhere.Path = filepath.Join(dir, "prices.shmbus")
	require.Equal(t, b.Sizes().Slots, newLsEntry(elsewhere).Slots)
	require.Contains(t, busd(t, "ls").stdout, " "+dir+" ")
}

func TestLookingLeavesNoTrace(t *testing.T) {
	testproc.Folder(t)
	b := makeBus(t, "prices")
	require.NoError(t, b.Close())
	attached := func() int {
		st, err := sysvshm.FromID(b.ShmID()).Stat()
		require.NoError(t, err)
		return st.Attached
	}
	before := attached()
	for _, args := range [][]string{{"ls"}, {"status", "prices"}, {"topics", "prices"}, {"doctor"}} {
		r := busd(t, args...)
		require.Zero(t, r.code, "%v: %s%s", args, r.stdout, r.stderr)
	}
	require.Equal(t, before, attached())
}
