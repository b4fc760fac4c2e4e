package misuse

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/fence"
	"shmbus/test/leak"
)

var (
	duration = flag.Duration("misuse.duration", 0, "how long it goes on (default: 12s, 6s with -short)")
	seed     = flag.Uint64("misuse.seed", 0, "of the random choices (default: random)")
)

// envJob holds the job of a worker process.
const envJob = "SHMBUS_MISUSE_JOB"

const (
	busName    = "misuse"
	publishers = 3 // innocent ones
	receivers  = 3
	misusers   = 10
)

// A job is what a worker process does, until its standard input ends.
type job struct {
	Role string // "publish", "receive", "misuse"
	ID   int
	Seed uint64
	Key  int32 // of the bus
}

func TestMain(m *testing.M) {
	if text := os.Getenv(envJob); text != "" {
		var j job
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			panic(err)
		}
		work(j)
		return
	}
	leak.Main(m)
}

// A worker is a process that the test has started.
type worker struct {
	cmd   *exec.Cmd
	stop  io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, j job) *worker {
	t.Helper()
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envJob+"="+string(text))
	cmd.Stderr = os.Stderr
	stop, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	w := &worker{cmd: cmd, stop: stop, lines: bufio.NewScanner(out)}
	t.Cleanup(func() { w.cmd.Process.Kill(); w.cmd.Wait() })
	return w
}

// end asks the worker to end and returns what it has to say.
func (w *worker) end(t *testing.T) (report []uint64) {
	t.Helper()
	w.stop.Close()
	kill := time.AfterFunc(time.Minute, func() { w.cmd.Process.Signal(syscall.SIGQUIT) }) // which prints where it hangs
	defer kill.Stop()
	w.await(t)
	require.NoError(t, json.Unmarshal(w.lines.Bytes(), &report))
	require.NoError(t, w.cmd.Wait())
	return report
}

// await waits for the worker's next line.
func (w *worker) await(t *testing.T) {
	t.Helper()
	require.True(t, w.lines.Scan(), "the worker has ended")
}

// Whatever some processes do with their publishers and subscriptions, others lose nothing and the bus is sound.
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
	begin := func(role string, id int) *worker {
		next++
		return start(t, job{Role: role, ID: id, Seed: *seed + next, Key: b.Key()})
	}
	var senders, takers, others []*worker
	for i := range receivers {
		w := begin("receive", i)
		w.await(t)
		takers = append(takers, w)
	}
	for i := range publishers {
		senders = append(senders, begin("publish", i))
	}
	for i := range misusers {
		others = append(others, begin("misuse", i))
	}
	kills := 0
	for end := time.Now().Add(last); time.Now().Before(end); {
		time.Sleep(time.Duration(rnd.Int64N(int64(last / 8))))
		i := rnd.IntN(misusers)
		others[i].cmd.Process.Kill()
		others[i].cmd.Wait()
		require.Equal(t, "signal: killed", others[i].cmd.ProcessState.String(), "of a misuser")
		others[i] = begin("misuse", i)
		kills++
	}

	deeds := uint64(0)
	for _, w := range others {
		deeds += w.end(t)[0]
	}
	var sent []uint64
	for _, w := range senders {
		sent = append(sent, w.end(t)[0])
	}
	for i, w := range takers {
		require.Equal(t, sent, w.end(t), "received by %d", i)
	}
	t.Logf("%d calls of the last misusers, %d of them killed, innocent messages %v", deeds, kills, sent)
	require.NotZero(t, deeds)

	_, err = b.Recover()
	require.NoError(t, err)
	snap, err := b.Snapshot()
	require.NoError(t, err)
	require.Empty(t, snap.Publishers)
	require.Empty(t, snap.Subscribers)
	require.Len(t, snap.Clients, 1)
	books, err := b.Audit()
	require.NoError(t, err)
	require.True(t, books.Balanced(), "%+v", books)
	o, err := bus.Observe(busName)
	require.NoError(t, err)
	defer o.Close()
	damages, err := o.Examine()
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
