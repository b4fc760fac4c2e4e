//go:build linux

package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

// Any number of processes open, create, use and remove one bus, all at once, and some are killed
// over it. Each gets a bus, or learns that there is none; nobody takes the next bus, or the half of
// one, for damage.
func TestChurn(t *testing.T) {
	const processes, duration = 8, 3 * time.Second
	useDir(t)
	var ws []*worker
	for i := range processes {
		ws = append(ws, start(t, job{Role: "churn", Bus: busName, ID: i}))
	}
	for end := time.Now().Add(duration); time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		ws[0].killKeeping()
		ws = append(ws[1:], start(t, job{Role: "churn", Bus: busName}))
		for _, w := range ws {
			w.faultless()
		}
	}
	var used, made uint64
	tellAll(ws, "stop")
	for _, w := range ws {
		r := w.expect("done")
		used, made = used+r.Count, made+r.Received
		w.exit()
	}
	t.Logf("used %d times, made %d times", used, made)
	require.NotZero(t, used)
	require.NotZero(t, made)
	if err := bus.Remove(busName); !errors.Is(err, bus.ErrNotFound) {
		require.NoError(t, err)
	}
	noObjects(t)
}

// churnRole does all that can be done with a bus's name until it is told to stop.
func churnRole(c *child) {
	with := []bus.Option{bus.WithSlots(64), bus.WithClients(100), bus.WithTopics(16)}
	// expect reports an error that a bus that comes and goes does not explain.
	expect := func(err error, what string, explained ...error) bool {
		for _, e := range explained {
			if errors.Is(err, e) {
				return false
			}
		}
		if err != nil {
			c.Fault("%s: %v", what, err)
		}
		return err == nil
	}
	var done report
	for !c.Told("stop") {
		var b *bus.Bus
		var made bool
		var err error
		switch rand.IntN(4) {
		case 0:
			b, err = bus.Open(c.Bus)
			expect(err, "Open", bus.ErrNotFound, bus.ErrIncomplete, bus.ErrRemoved) // a remover was killed
		case 1:
			b, err = bus.Create(c.Bus, with...)
			made = err == nil
			expect(err, "Create", bus.ErrExists)
		default:
			b, made, err = bus.OpenOrCreate(c.Bus, with...)
			expect(err, "OpenOrCreate")
		}
		if err == nil {
			done.Count++
			if made {
				done.Received++
			}
			if p, err := b.Publisher(fmt.Sprint("t", rand.IntN(8))); expect(err, "Publisher", bus.ErrRemoved) {
				expect(p.PublishRaw(c.Context(), []byte{0xc0}), "Publish", bus.ErrRemoved)
			}
			expect(b.Close(), "Close")
		}
		if rand.IntN(5) == 0 {
			expect(bus.Remove(c.Bus), "Remove", bus.ErrNotFound)
		}
	}
	c.Say("done", done)
	<-c.Context().Done()
}
