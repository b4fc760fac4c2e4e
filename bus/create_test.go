package bus

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// createWhile is Create, with others at work as soon as the bus is there for them.
func createWhile(name string, others func(), opts ...Option) (*Bus, error) {
	c := newConfig(opts)
	create := c.creating(name)
	return openWith("create", name, c, func() (*segment.Segment, layout.Owner, error) {
		seg, me, err := create()
		if err == nil {
			others()
		}
		return seg, me, err
	})
}

// A bus that somebody else made meanwhile is nobody's to remove.
func TestCreateBesideRemoveAndCreate(t *testing.T) {
	opts := []Option{WithDir(t.TempDir())}
	var second *Bus
	first, err := createWhile("x", func() {
		var err error
		require.NoError(t, Remove("x", opts...))
		second, err = Create("x", opts...)
		require.NoError(t, err)
	}, opts...)
	if err == nil {
		_, err = first.Publisher("a")
		require.NoError(t, first.Close())
	}
	require.ErrorIs(t, err, ErrRemoved)
	_, err = second.Publisher("a")
	require.NoError(t, err)
	require.NoError(t, second.Close())
	require.NoError(t, Remove("x", opts...))
}

// The creator has its place on the bus before others can take all there are.
func TestCreateBesideManyClients(t *testing.T) {
	opts := []Option{WithDir(t.TempDir()), WithClients(3)}
	var others []*Bus
	b, err := createWhile("x", func() {
		for {
			o, err := Open("x", opts...)
			if errors.Is(err, ErrTableFull) {
				return
			}
			require.NoError(t, err)
			others = append(others, o)
		}
	}, opts...)
	require.NoError(t, err)
	require.Len(t, others, 2)
	for _, o := range append(others, b) {
		_, err := o.Publisher("a")
		require.NoError(t, err)
		require.NoError(t, o.Close())
	}
	require.NoError(t, Remove("x", opts...))
}

// A creator that was killed where its key was just taken by somebody else leaves a key file that
// names what is not the bus's. Nobody removes that on its word.
func TestStrangersUnderTheKeyOfADeadCreator(t *testing.T) {
	const sems = 5
	for _, tt := range []struct {
		name string
		pid  int // of the creator, as the key file has it; the stranger's segment is this process's
		sems int // of the stranger's set
		used bool
	}{
		{"a segment of another process, and its set", 1, sems, false},
		{"another set beside the creator's segment", -1, sems + 2, false},
		{"a used set beside the creator's segment", -1, sems, true},
	} {
		for _, next := range []string{"create", "remove"} {
			t.Run(tt.name+", then "+next, func(t *testing.T) {
				dir := t.TempDir()
				lock, err := registry.Lock(registry.KeyPath(dir, "x"), true, 0o600)
				require.NoError(t, err)
				key, err := sysvshm.Ftok(lock.Path, 1)
				require.NoError(t, err)
				shm, err := sysvshm.Get(key, 1<<16, sysvshm.Create|sysvshm.Exclusive|0o600)
				require.NoError(t, err)
				defer shm.Remove()
				set, err := sysvsem.Get(key, tt.sems, sysvsem.Create|sysvsem.Exclusive|0o600)
				require.NoError(t, err)
				defer set.Remove()
				if tt.used {
					require.NoError(t, set.TryOp([]sysvsem.Op{{Num: 0, Op: 1}}))
				}
				pid := tt.pid
				if pid < 0 {
					st, err := shm.Stat()
					require.NoError(t, err)
					pid = st.CreatorPID
				}
				require.NoError(t, lock.Write(registry.KeyFile{Version: 1, State: registry.Creating, Key: key, IPC: registry.IPCNamespace(), PID: pid, Sems: sems,
					UUID: "00000000-0000-0000-0000-000000000001"}))
				lock.Close()

				if next == "create" {
					b, err := Create("x", WithDir(dir))
					require.NoError(t, err)
					require.NotEqual(t, key, b.Key())
					require.NoError(t, b.Close())
				}
				require.NoError(t, Remove("x", WithDir(dir)))
				_, err = set.Stat()
				require.NoError(t, err, "the stranger's set")
				_, err = shm.Stat()
				if tt.pid > 0 {
					require.NoError(t, err, "the stranger's segment")
				} else {
					require.ErrorIs(t, err, sysvshm.ErrRemoved, "the creator's segment")
				}
			})
		}
	}
}
