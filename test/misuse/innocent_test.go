//go:build linux

package misuse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

// play is a role that says what it has counted when it is told to exit.
func play(role func(*testproc.Child, *bus.Bus, job) []uint64) func(*testproc.Child) {
	return testproc.With(func(c *testproc.Child, j job) {
		b, err := bus.OpenKey(j.Key)
		must(err)
		counts := role(c, b, j)
		must(b.Close())
		c.Say("counts", counts)
	})
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// publish publishes numbered messages, of several goroutines on one publisher, and returns how
// many.
func publish(c *testproc.Child, b *bus.Bus, j job) []uint64 {
	rnd := rand.New(rand.NewPCG(j.Seed, 1))
	p, err := b.Publisher(innocentTopic(j.ID))
	must(err)
	n := uint64(0)
	for ; c.Context().Err() == nil; n++ {
		frame := make([]byte, testload.HeaderSize+rnd.IntN(200))
		testload.Fill(frame, testload.Stamp{Sender: uint32(j.ID), Number: n})
		wait, cancel := context.WithTimeout(context.Background(), time.Minute)
		must(p.PublishRaw(wait, frame))
		cancel()
		if n%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	return []uint64{n}
}

// receive receives what the innocent publish, and returns how many messages of each.
func receive(c *testproc.Child, b *bus.Bus, _ job) []uint64 {
	s, err := b.Subscribe("innocent.>", bus.Reliable())
	must(err)
	c.Say("ready", nil)
	innocent := testload.Checker{Complete: true}
	var m bus.Message
	for {
		err := s.Receive(c.Context(), &m)
		if err != nil && c.Context().Err() != nil {
			// Everybody else has ended: what there is, is there.
			if m, err = s.TryNext(); err == bus.ErrEmpty {
				var counts []uint64
				for i := range uint32(publishers) {
					counts = append(counts, innocent.Due(i))
				}
				return counts
			}
		}
		must(err)
		id, err := strconv.Atoi(strings.TrimPrefix(m.Topic, "innocent."))
		must(err)
		_, err = innocent.Take(uint32(id), m.Raw)
		must(err)
	}
}
