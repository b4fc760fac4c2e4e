//go:build linux

package misuse

import (
	"context"
	"flag"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/fence"
	"shmbus/internal/inspect"
	"shmbus/internal/testproc"
)

var (
	duration = flag.Duration("misuse.duration", 0, "how long it goes on (default: 12s, 6s with -short)")
	seed     = flag.Uint64("misuse.seed", 0, "of the random choices (default: random)")
)

const (
	busName    = "misuse"
	publishers = 3 // innocent ones
	receivers  = 3
	misusers   = 10
)

// A job is what a worker process needs to know.
type job struct {
	ID   int
	Seed uint64
	Key  int32 // of the bus
}

func TestMain(m *testing.M) {
	testproc.Main(m, testproc.Roles{
		"publish": play(publish), "receive": play(receive), "misuse": play(misuse),
	})
}

// Whatever some processes do with their publishers and subscriptions, others lose nothing and the
// bus is sound.
func TestMisuse(t *testing.T) {
	last := *duration
	if last == 0 {
		if last = 12 * time.Second; testing.Short() || fence.RaceEnabled {
			last = 6 * time.Second
		}
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-misuse.duration=%v -misuse.seed=%d", last, *seed)
	rnd := rand.New(rand.NewPCG(*seed, 0))
	t.Setenv("SHMBUS_DIR", t.TempDir())
	b, err := bus.Create(busName, bus.WithSlots(256), bus.WithSlotSize(64), bus.WithMaxFrame(4000), bus.WithPublishers(256),
		bus.WithSubscribers(256), bus.WithClients(256))
	require.NoError(t, err)
	defer bus.Remove(busName)
	defer b.Close()

	next := uint64(0)
	begin := func(role string, id int) *testproc.Worker {
		next++
		return testproc.Run(t, role, job{ID: id, Seed: *seed + next, Key: b.Key()})
	}
	// end ends a worker and returns what it counted.
	end := func(w *testproc.Worker) (counts []uint64) {
		require.NoError(t, w.Tell("exit"))
		e, err := w.Await("counts", time.Minute)
		if err != nil {
			w.Signal(unix.SIGQUIT) // which prints where it hangs
			w.Wait(time.Second)
			require.NoError(t, err, w.Stderr())
		}
		require.NoError(t, e.Into(&counts))
		require.NoError(t, w.Success())
		return counts
	}
	var senders, takers, others []*testproc.Worker
	for i := range receivers {
		w := begin("receive", i)
		w.Expect(t, "ready")
		takers = append(takers, w)
	}
	for i := range publishers {
		senders = append(senders, begin("publish", i))
	}
	for i := range misusers {
		others = append(others, begin("misuse", i))
	}
	kills := 0
	for over := time.Now().Add(last); time.Now().Before(over); {
		time.Sleep(time.Duration(rnd.Int64N(int64(last / 8))))
		i := rnd.IntN(misusers)
		others[i].Kill()
		require.Equal(t, unix.SIGKILL, others[i].Signaled(), "a misuser had ended: %s", others[i].End())
		others[i] = begin("misuse", i)
		kills++
	}

	deeds := uint64(0)
	for _, w := range others {
		deeds += end(w)[0]
	}
	var sent []uint64
	for _, w := range senders {
		sent = append(sent, end(w)[0])
	}
	for i, w := range takers {
		require.Equal(t, sent, end(w), "received by %d", i)
	}
	t.Logf("%d calls of the last misusers, %d of them killed, innocent messages %v", deeds, kills, sent)
	require.NotZero(t, deeds)

	_, err = b.Reap()
	require.NoError(t, err)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Empty(t, snap.Publishers)
	require.Empty(t, snap.Subscribers)
	require.Len(t, snap.Clients, 1)
	books, err := inspect.Audit(b.ShmID())
	require.NoError(t, err)
	require.True(t, books.Balanced(), "%+v", books)
	damages, err := inspect.Examine(b.ShmID())
	require.NoError(t, err)
	require.Empty(t, damages)

	// And it goes on.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := b.Subscribe("afterwards", bus.Reliable())
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, b.Publish(ctx, "afterwards", i))
		var v int
		_, err := bus.ReceiveInto(ctx, s, &v)
		require.NoError(t, err)
		require.Equal(t, i, v)
	}
}

func innocentTopic(id int) string { return "innocent." + strconv.Itoa(id) }
