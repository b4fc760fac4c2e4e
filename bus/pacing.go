package bus

import "shmbus/internal/fence"

// A pacing lets a subscription fall a little behind a stream that it keeps up with.
//
// A subscription that reads each message at once takes its cache lines from the publisher while the
// publisher writes them, again for every message. Both then run at the speed of that transfer. If
// the subscription rests when it has caught up, each line moves once, when it is full. So after a
// run of messages without a pause between them, the subscription rests before it looks again, and
// rests longer while the runs stay long.
//
// If messages come one by one, it does not rest, except for a try now and then, less and less
// often. The tries are needed because a publisher and a subscription that go in step make no runs.
// Requests and replies are seldom mistaken for a stream.
type pacing struct {
	seen   uint64 // messages received when it last caught up
	gap    int    // pauses of the last rest
	single uint64 // messages since the last rest
	until  uint64 // single messages until the next try
}

const (
	streamRun   = 8       // messages without a pause that make a stream
	streamLong  = 128     // messages in a run after which the rest does not grow
	restMin     = 16      // pauses of the first rest: less than a microsecond
	restMaxSpin = 64      // pauses of the longest rest with Spin: 2 to 3 µs
	restMax     = 256     // pauses of the longest rest otherwise: about 10 µs
	tryMin      = 16      // single messages until the first try
	tryMax      = 1 << 14 // single messages until the next try at most
)

// caughtUp is called when there is no message to receive. received is the number of messages
// received so far. caughtUp may rest.
func (t *pacing) caughtUp(received uint64, wait WaitStrategy) {
	longest := restMax
	switch wait {
	case Spin:
		longest = restMaxSpin
	case Block:
		return
	}
	run := received - t.seen
	t.seen = received
	for range t.next(run, longest) {
		fence.Pause()
	}
}

// next returns for how many pauses to rest after a run of messages.
func (t *pacing) next(run uint64, longest int) int {
	if run >= streamRun {
		if run < streamLong {
			t.gap = min(max(2*t.gap, restMin), longest)
		}
		t.single, t.until = 0, tryMin
		return t.gap
	}
	t.gap = 0
	if t.single += run; t.single < t.until {
		return 0
	}
	t.single, t.until = 0, min(max(2*t.until, tryMin), tryMax)
	return restMin
}
