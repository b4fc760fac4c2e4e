package ring

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A logInput is an operation on the sequential log against which linearizability is checked.
type logInput struct {
	op    string // publish, read, head
	value uint64
	at    uint64 // read
}

type logOutput struct {
	at     uint64 // publish, head
	status Status
	value  uint64 // read
}

func logModel(slots uint64) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return []uint64(nil) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]uint64), b.([]uint64)) },
		Step: func(state, input, output any) (bool, any) {
			log, in, out := state.([]uint64), input.(logInput), output.(logOutput)
			head := uint64(len(log))
			switch in.op {
			case "publish":
				return out.at == head, append(slices.Clone(log), in.value)
			case "head":
				return out.at == head, log
			}
			switch out.status {
			case Done:
				return in.at < head && log[in.at] == out.value, log
			case Empty:
				return in.at >= head, log
			case Lapped:
				return in.at+slots < head, log
			}
			return false, log
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// TestLinearizable runs many short histories of publishers, readers and searches for the head.
func TestLinearizable(t *testing.T) {
	const slots, pubs, readers, each = 8, 3, 2, 8
	model := logModel(slots)
	begun := time.Now()
	histories := 0
	for seed := uint64(0); time.Since(begun) < 1500*time.Millisecond; seed++ {
		r := newRing(t, geometry(slots, 2, pubs))
		var clock atomic.Int64
		var mu sync.Mutex
		var history []porcupine.Operation
		var wg sync.WaitGroup
		gun := make(chan struct{})
		client := func(id int, call func(rnd *rand.Rand, i int) (logInput, logOutput)) {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(id)))
				var own []porcupine.Operation
				<-gun
				for i := range each {
					from := clock.Add(1)
					in, out := call(rnd, i)
					own = append(own, porcupine.Operation{ClientId: id, Input: in, Call: from, Output: out, Return: clock.Add(1)})
				}
				mu.Lock()
				history = append(history, own...)
				mu.Unlock()
			})
		}
		for id := range pubs {
			p := openPublisher(t, r, id)
			client(id, func(_ *rand.Rand, i int) (logInput, logOutput) {
				v := uint64(id)<<8 | uint64(i)
				return logInput{op: "publish", value: v}, logOutput{at: publish(t, p, v)}
			})
		}
		for id := range readers {
			c := r.Reader(FromNow())
			client(pubs+id, func(rnd *rand.Rand, _ int) (logInput, logOutput) {
				if rnd.IntN(4) == 0 {
					return logInput{op: "head"}, logOutput{at: r.Head()}
				}
				at := c.Next()
				v, st := take(t, c)
				if st == Lapped {
					c.SetNext(at + 3)
				}
				return logInput{op: "read", at: at}, logOutput{status: st, value: v}
			})
		}
		close(gun)
		wg.Wait()
		if !porcupine.CheckOperations(model, history) {
			for _, op := range history {
				t.Logf("%d: %d…%d %+v -> %+v", op.ClientId, op.Call, op.Return, op.Input, op.Output)
			}
			t.Fatalf("history %d is not linearizable", seed)
		}
		histories++
	}
	t.Logf("%d histories", histories)
}
