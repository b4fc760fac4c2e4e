//go:build linux

package process

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/inspect"
	"shmbus/internal/leak"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/ring"
)

const busName = "proc"

// newBus creates the bus of a test, which is removed when the test ends. Workers find it by
// SHMBUS_DIR.
func newBus(t testing.TB, c creation, more ...bus.Option) *bus.Bus {
	t.Helper()
	useDir(t)
	b, err := bus.Create(busName, append(c.options(), more...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		b.Close()
		bus.Remove(busName) // there may be none any more
	})
	return b
}

// useDir makes a folder for key files.
func useDir(t testing.TB) string {
	t.Helper()
	dir := testproc.Folder(t)
	before = objects(t)
	t.Cleanup(func() { bus.Remove(busName) }) // what a failed test has left
	return dir
}

// before is what there was when the current test began.
var before map[string]bool

func objects(t testing.TB) map[string]bool {
	t.Helper()
	all, err := leak.Objects()
	require.NoError(t, err)
	return all
}

// noObjects checks that the test has left no System V object so far.
func noObjects(t testing.TB) {
	t.Helper()
	var now map[string]bool
	testload.Eventually(t, "left: %v", func() bool {
		now = objects(t)
		maps.DeleteFunc(now, func(o string, _ bool) bool { return before[o] })
		return len(now) == 0
	}, &now)
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testload.Patience())
	t.Cleanup(cancel)
	return ctx
}

func snapshot(t testing.TB, b *bus.Bus) bus.Snapshot {
	t.Helper()
	s, err := b.Snapshot()
	require.NoError(t, err)
	return s
}

// awaitAsleep waits until n subscriptions are asleep, as far as the segment says: a few of them may
// be about to take their last look. The given workers have no thread that runs either, so all of
// theirs have. None of them may have reported a fault meanwhile.
func awaitAsleep(t testing.TB, b *bus.Bus, n int, workers ...*worker) {
	t.Helper()
	var s bus.Snapshot
	testload.Eventually(t, "not %d asleep: %+v", func() bool {
		for _, w := range workers {
			w.faultless()
		}
		s = snapshot(t, b)
		asleep := 0
		for _, sub := range s.Subscribers {
			if sub.Asleep {
				asleep++
			}
		}
		return asleep >= n && !slices.ContainsFunc(workers, func(w *worker) bool { return !testproc.AllThreads(w.PID(), "S") })
	}, n, &s)
}

// finish publishes the message at which subscribers report.
func finish(t testing.TB, b *bus.Bus) {
	t.Helper()
	p, err := b.Publisher(endTopic)
	require.NoError(t, err)
	require.NoError(t, p.PublishRaw(deadline(t), make([]byte, 8)))
	require.NoError(t, p.Close())
}

// A feed publishes numbered messages from the test itself.
type feed struct {
	t    testing.TB
	p    *bus.Publisher
	job  job
	next uint64
	buf  []byte
}

func newFeed(t testing.TB, b *bus.Bus, topic string, id, size int, opts ...bus.PublishOption) *feed {
	t.Helper()
	p, err := b.Publisher(topic+"."+strconv.Itoa(id), opts...)
	require.NoError(t, err)
	return &feed{t: t, p: p, job: job{ID: id}, buf: make([]byte, size)}
}

func (f *feed) try(ctx context.Context) error {
	testload.Fill(f.buf, stamp(f.job.ID, f.next))
	err := f.p.PublishRaw(ctx, f.buf)
	if err == nil {
		f.next++
	}
	return err
}

func (f *feed) publish(ctx context.Context, n int) {
	f.t.Helper()
	for range n {
		require.NoError(f.t, f.try(ctx))
	}
}

// balance checks that every slot is in exactly one place, and that with all other publishers gone
// the records of the dead can all be used again, with all their slots.
func balance(t testing.TB, b *bus.Bus) {
	t.Helper()
	_, err := b.Reap()
	require.NoError(t, err)
	books := audit(t, b)
	require.True(t, books.Balanced(), "after recovery: %+v", books)
	n := b.Sizes().Publishers
	// A pair's evidence may be a pair of a record that is settled later.
	for pass := 0; pass == 0 || pass <= n && audit(t, b).Unsettled > 0; pass++ {
		var all []*bus.Publisher
		// A client that has heard of a death may still be clearing a record, which is in use until
		// that is done.
		testload.Eventually(t, "a record is free and can not be used", func() bool {
			for {
				p, err := b.Publisher("all")
				if err != nil {
					require.ErrorIs(t, err, bus.ErrTableFull)
					return len(snapshot(t, b).Publishers) == n
				}
				all = append(all, p)
			}
		})
		for _, p := range all {
			require.NoError(t, p.Close())
		}
	}
	books = audit(t, b)
	require.True(t, books.Balanced(), "%+v", books)
	require.Zero(t, books.Unsettled, "%+v", books)
	require.Equal(t, n*b.Sizes().OwnedSlots, books.Owned)
}

func audit(t testing.TB, b *bus.Bus) ring.Books {
	t.Helper()
	books, err := inspect.Audit(b.ShmID())
	require.NoError(t, err)
	return books
}

// newRand returns a source of random moments, whose seed is logged.
func newRand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SHMBUS_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("SHMBUS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// A distribution is of times.
type distribution []time.Duration

func (d distribution) quantile(q float64) time.Duration {
	return slices.Sorted(slices.Values(d))[int(q*float64(len(d)-1))].Round(time.Microsecond)
}

func (d distribution) String() string {
	if len(d) == 0 {
		return "none"
	}
	at := func(q float64) string { return d.quantile(q).String() }
	return "min " + at(0) + ", median " + at(0.5) + ", 90% " + at(0.9) + ", max " + at(1)
}
