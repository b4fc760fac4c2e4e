package misuse

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"shmbus/bus"
)

func work(j job) {
	b, err := bus.OpenKey(j.Key)
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	rnd := rand.New(rand.NewPCG(j.Seed, 1))
	var report []uint64
	switch j.Role {
	case "publish":
		report = publish(ctx, b, j.ID, rnd)
	case "receive":
		report = receive(ctx, b)
	case "misuse":
		report = misuse(ctx, b, j)
	}
	must(b.Close())
	must(json.NewEncoder(os.Stdout).Encode(report))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// publish publishes numbered messages, of several goroutines on one publisher, and returns how many.
func publish(ctx context.Context, b *bus.Bus, id int, rnd *rand.Rand) []uint64 {
	p, err := b.Publisher(innocentTopic(id))
	must(err)
	n := uint64(0)
	for ; ctx.Err() == nil; n++ {
		frame := make([]byte, 8+rnd.IntN(200))
		binary.LittleEndian.PutUint64(frame, n)
		for i := 8; i < len(frame); i++ {
			frame[i] = byte(n) + byte(i)
		}
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
func receive(ctx context.Context, b *bus.Bus) []uint64 {
	s, err := b.Subscribe("innocent.>", bus.Reliable())
	must(err)
	fmt.Println("ready")
	next := make([]uint64, publishers)
	var m bus.Message
	for {
		err := s.Receive(ctx, &m)
		if err != nil && ctx.Err() != nil {
			// Everybody else has ended: what there is, is there.
			if m, err = s.TryNext(); err == bus.ErrEmpty {
				return next
			}
		}
		must(err)
		id, err := strconv.Atoi(strings.TrimPrefix(m.Topic, "innocent."))
		must(err)
		if n := binary.LittleEndian.Uint64(m.Raw); n != next[id] {
			must(fmt.Errorf("message %d of publisher %d where %d was due", n, id, next[id]))
		}
		for i := 8; i < len(m.Raw); i++ {
			if m.Raw[i] != byte(next[id])+byte(i) {
				must(fmt.Errorf("message %d of publisher %d is spoilt", next[id], id))
			}
		}
		next[id]++
	}
}
