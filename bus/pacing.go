package bus

import "shmbus/internal/fence"

// A trail lets a subscription fall back behind a stream that it keeps up with.
//
// One that looks at each message the moment it is there takes its cache lines from the publisher while they are written, for
// every message anew: both then go at the speed of the transfer. If it waits a little where it has caught up,
// lines move once, full. So after a run of messages without a pause between them the subscription rests for a moment before
// it looks again, and for longer as long as the runs are long. Where messages come one by one it does not, but for a try
// now and then, ever more rarely, because two that go in step would make no runs. Those who ask and answer are seldom taken for a stream.
type pacing struct {
	seen   uint64 // messages up to the last time that there was nothing
	gap    int    // pauses of the last rest
	single uint64 // messages since the last rest
	until  uint64 // single messages until the next try
}

const (
	streamRun   = 8   // messages without a pause that make a stream
	streamLong  = 128 // messages that are enough for a rest not to grow
	restMin     = 16  // pauses of the first rest: less than a microsecond
	restMaxSpin = 64  // pauses of the longest rest of those that spin for the sake of latency
	restMax     = 256 // and of others: about 10 µs
	tryMin      = 16
	tryMax      = 1 << 14
)

// caughtUp is called when there is nothing to receive, after received messages in all. It may rest.
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
