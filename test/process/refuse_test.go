//go:build linux

package process

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// A table that is full says which option of the bus's creation enlarges it, and has room again when
// somebody leaves or is killed.
func TestTableFull(t *testing.T) {
	b := newBus(t, creation{Slots: 64, SlotSize: 64, Publishers: 3, Subscribers: 64, Clients: 4, Topics: 5})
	full := func(err error, table, option string) {
		t.Helper()
		require.ErrorIs(t, err, bus.ErrTableFull)
		require.ErrorContains(t, err, table)
		require.ErrorContains(t, err, option)
	}
	w := startAll(t,
		job{Role: "publish", Bus: busName, ID: 1, Topic: "t", Min: 16, Max: 16, Count: 1},
		job{Role: "publish", Bus: busName, ID: 2, Topic: "t", Min: 16, Max: 16, Count: 1},
		job{Role: "sleepers", Bus: busName, Subs: 64, Topic: "s"})
	_, err := bus.Open(busName)
	full(err, "clients", "WithClients")
	_, err = b.Subscribe("x")
	full(err, "subscribers", "WithSubscribers")
	p, err := b.Publisher("t.3")
	require.NoError(t, err)
	_, err = b.Publisher("t.3")
	full(err, "publishers", "WithPublishers")
	require.NoError(t, p.Close())
	for _, topic := range []string{"t.4", "t.5"} {
		p, err := b.Publisher(topic)
		require.NoError(t, err)
		require.NoError(t, p.Close())
	}
	_, err = b.Publisher("t.6")
	full(err, "topics", "WithTopics")

	w[0].Kill()
	w[1].exit()
	w[2].Kill()
	for range 3 {
		other, err := bus.Open(busName)
		require.NoError(t, err)
		defer other.Close()
		p, err := other.Publisher("t.1")
		require.NoError(t, err)
		defer p.Close()
	}
	for range 64 {
		s, err := b.Subscribe("x")
		require.NoError(t, err)
		defer s.Close()
	}
}

// A segment that is not a bus of this version is refused with an error that says why.
func TestRefusedSegments(t *testing.T) {
	tests := []struct {
		name   string
		damage func(mem []byte)
		err    error
	}{
		{"version", func(m []byte) { binary.LittleEndian.PutUint32(m[layout.HeaderVersion:], 99) }, bus.ErrVersion},
		{"layout hash", func(m []byte) { m[layout.HeaderHash]++ }, bus.ErrVersion},
		{"magic", func(m []byte) { m[layout.HeaderMagic]++ }, bus.ErrNotABus},
		{"never completed", func(m []byte) { binary.LittleEndian.PutUint64(m[layout.HeaderMagic:], 0) }, bus.ErrIncomplete},
		{"all zero", func(m []byte) { clear(m) }, bus.ErrNotABus},
		{"size", func(m []byte) { m[layout.HeaderSegmentSize+5]++ }, bus.ErrCorrupt},
		{"geometry", func(m []byte) { binary.LittleEndian.PutUint32(m[layout.HeaderSlots:], 77) }, bus.ErrCorrupt},
		{"huge geometry", func(m []byte) { binary.LittleEndian.PutUint32(m[layout.HeaderSlotSize:], 1<<31) }, bus.ErrCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBus(t, creation{Slots: 64})
			require.NoError(t, b.Close())
			m, err := sysvshm.FromID(b.ShmID()).Attach(sysvshm.ReadWrite)
			require.NoError(t, err)
			tt.damage(m.Bytes())
			require.NoError(t, m.Detach())
			_, err = bus.Open(busName)
			require.ErrorIs(t, err, tt.err)
			_, err = bus.Observe(busName)
			require.ErrorIs(t, err, tt.err)
			made, err := bus.Create(busName)
			if err == nil {
				made.Close()
			}
			require.ErrorIs(t, err, tt.err)
			require.NoError(t, bus.Remove(busName))
			noObjects(t)
			usable(t)
		})
	}
}

// A key file that is not one, or names what is gone, is refused with an error that says what to do.
func TestRefusedKeyFiles(t *testing.T) {
	t.Run("objects gone", func(t *testing.T) {
		b := newBus(t, creation{Slots: 64})
		require.NoError(t, b.Close())
		ipcrm(t, "-m", itoa(b.ShmID()), "-s", itoa(b.SemID()))
		_, err := bus.Open(busName)
		require.ErrorIs(t, err, bus.ErrNotFound)
		usable(t)
	})
	t.Run("another version", func(t *testing.T) {
		dir := useDir(t)
		b, err := bus.Create(busName)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		rewriteKey(t, dir, func(k map[string]any) { k["shmbus"] = 2 })
		_, err = bus.Open(busName)
		require.ErrorContains(t, err, "not a key file of this version")
		rewriteKey(t, dir, func(k map[string]any) { k["shmbus"] = 1 })
		require.NoError(t, bus.Remove(busName))
	})
	t.Run("another bus under its key", func(t *testing.T) {
		b := newBus(t, creation{Slots: 64})
		require.NoError(t, b.Close())
		dir, uuid := os.Getenv("SHMBUS_DIR"), b.UUID()
		rewriteKey(t, dir, func(k map[string]any) { k["uuid"] = "00000000-0000-0000-0000-000000000001" })
		_, err := bus.Open(busName)
		require.ErrorIs(t, err, bus.ErrNotABus)
		require.ErrorContains(t, err, uuid)
		rewriteKey(t, dir, func(k map[string]any) { k["uuid"] = uuid })
		b, err = bus.Open(busName)
		require.NoError(t, err)
		require.NoError(t, b.Close())
	})
	t.Run("a foreign segment under its key", func(t *testing.T) {
		b := newBus(t, creation{Slots: 64})
		require.NoError(t, b.Close())
		ipcrm(t, "-m", itoa(b.ShmID()), "-s", itoa(b.SemID()))
		foreign, err := sysvshm.Get(b.Key(), 8192, sysvshm.Create|sysvshm.Exclusive|0o600)
		require.NoError(t, err)
		defer foreign.Remove()
		_, err = bus.Open(busName)
		require.ErrorIs(t, err, bus.ErrNotABus)
		usable(t)
		require.NoError(t, bus.Remove(busName))
		_, err = foreign.Stat()
		require.NoError(t, err, "the foreign segment is still there")
	})
	t.Run("none", func(t *testing.T) {
		useDir(t)
		_, err := bus.Open(busName)
		require.ErrorIs(t, err, bus.ErrNotFound)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
}
