package bus

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

func TestCreateOpenRemove(t *testing.T) {
	dir := WithDir(t.TempDir())
	b, err := Create("x", dir, WithSlots(64), WithSlotSize(128), WithSubscribers(65), WithMode(0o640))
	require.NoError(t, err)
	require.Equal(t, 128, b.seg.Map.Geometry.Subscribers, "rounded up to a multiple of 64")
	require.Equal(t, 64, b.seg.Map.Geometry.Slots)

	_, err = Create("x", dir)
	require.ErrorIs(t, err, ErrExists)
	h, created, err := OpenOrCreate("x", dir)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, b.UUID(), h.UUID())
	require.NoError(t, h.Close())
	require.NoError(t, h.Close(), "closing twice")

	infos, err := List(dir)
	require.NoError(t, err)
	require.Len(t, infos, 1)
	require.Equal(t, "live", infos[0].State)
	st, err := sysvshm.FromID(b.ShmID()).Stat()
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), st.Mode)
	require.Equal(t, 1, st.Attached, "the closed handle has detached")

	require.NoError(t, Remove("x", dir))
	_, err = b.Publisher("a")
	require.ErrorIs(t, err, ErrRemoved)
	require.NoError(t, b.Close())
	_, err = Open("x", dir)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, Remove("x", dir), ErrNotFound)
	left, err := sysvshm.List()
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestNotFoundNamesTheOthers(t *testing.T) {
	dir := t.TempDir()
	_, err := Open("nix", WithDir(dir))
	require.ErrorContains(t, err, "busd create nix")
	b, err := Create("prices", WithDir(dir))
	require.NoError(t, err)
	defer Remove("prices", WithDir(dir))
	defer b.Close()
	_, err = Open("nix", WithDir(dir))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "prices")
}

func TestBadNamesAndSizes(t *testing.T) {
	dir := WithDir(t.TempDir())
	for _, name := range []string{"", ".", "../x", "a/b", "-x", "a b", strings.Repeat("x", 64)} {
		_, err := Create(name, dir)
		require.ErrorIs(t, err, ErrName, "%q", name)
		_, err = Open(name, dir)
		require.ErrorIs(t, err, ErrName, "%q", name)
		require.ErrorIs(t, Remove(name, dir), ErrName)
	}
	for _, o := range []Option{WithSlots(100), WithSlots(4), WithSlotSize(100), WithTopics(0), WithPublishers(0),
		WithSubscribers(5000), WithMaxFrame(0), WithOwnedSlots(1), WithClients(1)} {
		_, err := Create("x", dir, o)
		require.ErrorIs(t, err, ErrInvalid)
	}
	infos, err := List(dir)
	require.NoError(t, err)
	require.Empty(t, infos, "a failed creation leaves no key file")
}

// A creator can die behind each of its steps; the next one must succeed and leave nothing of the
// first.
func TestCreateAfterCreatorDied(t *testing.T) {
	intent := func(t *testing.T, lock *registry.LockedKey) int32 {
		key, err := sysvshm.Ftok(lock.Path, 1)
		require.NoError(t, err)
		id := layout.UUID{1}
		require.NoError(t, lock.Write(registry.KeyFile{Version: 1, State: registry.Creating, UUID: id.String(), Key: key, PID: os.Getpid(), Sems: 5}))
		return key
	}
	segment := func(t *testing.T, key int32) *sysvshm.Segment {
		shm, err := sysvshm.Get(key, 1<<16, sysvshm.Create|sysvshm.Exclusive|0o600)
		require.NoError(t, err)
		return shm
	}
	for name, die := range map[string]func(t *testing.T, lock *registry.LockedKey){
		"with an empty key file": func(*testing.T, *registry.LockedKey) {},
		"before the segment":     func(t *testing.T, l *registry.LockedKey) { intent(t, l) },
		"before the set":         func(t *testing.T, l *registry.LockedKey) { segment(t, intent(t, l)) },
		"before the header": func(t *testing.T, l *registry.LockedKey) {
			key := intent(t, l)
			segment(t, key)
			_, err := sysvsem.Get(key, 5, sysvsem.Create|sysvsem.Exclusive|0o600)
			require.NoError(t, err)
		},
		"before the magic number": func(t *testing.T, l *registry.LockedKey) {
			shm := segment(t, intent(t, l))
			m, err := shm.Attach(sysvshm.ReadWrite)
			require.NoError(t, err)
			h := layout.Header{UUID: layout.UUID{1}, Geometry: layout.Default(), Name: "x"}
			require.NoError(t, h.Encode(m.Bytes()))
			require.NoError(t, m.Detach())
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lock, err := registry.Lock(registry.KeyPath(dir, "x"), true, 0o600)
			require.NoError(t, err)
			die(t, lock)
			lock.Close()
			b, err := Create("x", WithDir(dir))
			require.NoError(t, err)
			require.NoError(t, b.Close())
			require.NoError(t, Remove("x", WithDir(dir)))
			shms, _ := sysvshm.List()
			sets, _ := sysvsem.List()
			require.Empty(t, shms)
			require.Empty(t, sets)
		})
	}
}

func TestForeignSegmentUnderTheKey(t *testing.T) {
	dir := t.TempDir()
	path := registry.KeyPath(dir, "x")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	key, err := sysvshm.Ftok(path, 1)
	require.NoError(t, err)
	foreign, err := sysvshm.Get(key, 1<<16, sysvshm.Create|sysvshm.Exclusive|0o600)
	require.NoError(t, err)
	defer foreign.Remove()
	m, err := foreign.Attach(sysvshm.ReadWrite)
	require.NoError(t, err)
	copy(m.Bytes(), "somebody else's data")
	defer m.Detach()

	b, err := Create("x", WithDir(dir))
	require.NoError(t, err, "the next project number is taken")
	require.NotEqual(t, key, b.Key())
	require.NoError(t, b.Close())
	require.NoError(t, Remove("x", WithDir(dir)))
	require.Equal(t, "somebody else's data", string(m.Bytes()[:20]), "left alone")

	_, err = OpenKey(key)
	require.ErrorIs(t, err, ErrNotABus)
}

func TestDamagedSegments(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(s *segment.Segment)
		want   error
	}{
		"version":  {func(s *segment.Segment) { s.Mem[layout.HeaderVersion]++ }, ErrVersion},
		"hash":     {func(s *segment.Segment) { s.Mem[layout.HeaderHash]++ }, ErrVersion},
		"magic":    {func(s *segment.Segment) { s.Mem[layout.HeaderMagic]++ }, ErrNotABus},
		"no magic": {func(s *segment.Segment) { atomic.StoreUint64(s.Header(layout.HeaderMagic), 0) }, ErrIncomplete},
		"geometry": {func(s *segment.Segment) { s.Mem[layout.HeaderSlots+2]++ }, ErrCorrupt},
		"header":   {func(s *segment.Segment) { s.Mem[layout.HeaderUUID]++ }, ErrCorrupt},
		"uuid": {func(s *segment.Segment) {
			s.Mem[layout.HeaderUUID]++
			binary.LittleEndian.PutUint32(s.Mem[layout.HeaderChecksum:], layout.Checksum(s.Mem))
		}, ErrNotABus},
	} {
		t.Run(name, func(t *testing.T) {
			dir := WithDir(t.TempDir())
			b, err := Create("x", dir)
			require.NoError(t, err)
			c.damage(b.seg)
			_, err = Open("x", dir)
			require.ErrorIs(t, err, c.want)
			_, err = Observe("x", dir)
			require.ErrorIs(t, err, c.want)
			if name != "uuid" {
				_, err = Create("x", dir)
				require.Error(t, err, "a bus that cannot be used is not replaced silently")
			}
			shm, set := sysvshm.FromID(b.ShmID()), b.seg.Set
			require.NoError(t, b.Close())
			require.NoError(t, Remove("x", dir))
			if name == "uuid" {
				// It may as well be another bus: only the key file is gone.
				require.NoError(t, shm.Remove())
				require.NoError(t, set.Remove())
			}
			shms, _ := sysvshm.List()
			sets, _ := sysvsem.List()
			require.Empty(t, shms)
			require.Empty(t, sets)
		})
	}
}

func TestSegmentRemovedFromOutside(t *testing.T) {
	dir := t.TempDir()
	b, err := Create("x", WithDir(dir))
	require.NoError(t, err)
	require.NoError(t, sysvshm.FromID(b.ShmID()).Remove())
	require.NoError(t, sysvsem.FromID(b.SemID()).Remove())
	require.NoError(t, b.Close())
	_, err = Open("x", WithDir(dir))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "doctor")
	infos, err := List(WithDir(dir))
	require.NoError(t, err)
	require.Equal(t, "stale", infos[0].State)
	b, created, err := OpenOrCreate("x", WithDir(dir))
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, b.Close())
	require.NoError(t, Remove("x", WithDir(dir)))
}

func TestDamagedKeyFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.shmbus"), []byte("nonsense"), 0o600))
	_, err := Create("x", WithDir(dir))
	require.ErrorContains(t, err, "not a key file")
	infos, err := List(WithDir(dir))
	require.NoError(t, err)
	require.Equal(t, "incomplete", infos[0].State)
}

func TestTablesFull(t *testing.T) {
	b := newBus(t, WithPublishers(1), WithSubscribers(64), WithTopics(2), WithClients(2), WithSlots(64))
	p := publisher(t, b, "a")
	_, err := b.Publisher("b")
	var full *TableFullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, "publishers", full.Table)
	require.ErrorContains(t, err, "--publishers")
	require.NoError(t, p.Close())
	require.NoError(t, publisher(t, b, "a").Close(), "the record is free again")

	_, err = b.Publisher("c")
	require.ErrorAs(t, err, &full)
	require.Equal(t, "topics", full.Table)
	for range 64 {
		subscribe(t, b, ">")
	}
	_, err = b.Subscribe(">")
	require.ErrorAs(t, err, &full)
	require.Equal(t, "subscribers", full.Table)
	reopen(t, b)
	_, err = OpenKey(b.Key())
	require.ErrorAs(t, err, &full)
	require.Equal(t, "clients", full.Table)
	require.True(t, errors.Is(err, ErrTableFull))
}

// A remover can die behind each of its steps; the next creator finishes what it began.
func TestCreateAfterRemoverDied(t *testing.T) {
	for name, die := range map[string]func(b *Bus) error{
		"behind the mark": func(b *Bus) error {
			atomic.StoreUint64(b.seg.Header(layout.HeaderState), layout.StateRemoved)
			return nil
		},
		"behind the set":     func(b *Bus) error { return b.seg.Set.Remove() },
		"behind the segment": func(b *Bus) error { return errors.Join(b.seg.Set.Remove(), b.seg.Shm.Remove()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := WithDir(t.TempDir())
			b, err := Create("x", dir)
			require.NoError(t, err)
			require.NoError(t, die(b))
			require.NoError(t, b.Close())
			again, created, err := OpenOrCreate("x", dir)
			require.NoError(t, err)
			require.True(t, created)
			require.NoError(t, again.Close())
			require.NoError(t, Remove("x", dir))
			shms, _ := sysvshm.List()
			sets, _ := sysvsem.List()
			require.Empty(t, shms)
			require.Empty(t, sets)
		})
	}
}
