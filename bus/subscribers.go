package bus

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"shmbus/internal/topics"
	"shmbus/layout"
)

// WaitForSubscribers returns when at least n subscriptions of living clients, of any process, want
// the topic. If ctx ends during the wait, it returns a [*SubscribersError]. Each of these
// subscriptions receives what is published on the topic afterwards. The topic need not exist, and
// the subscriptions need not be in a call. Subscriptions of observers do not count.
//
// It looks at least 20 times a second. Use it when a program starts, not for each message.
func (b *Bus) WaitForSubscribers(ctx context.Context, topic string, n int) error {
	fail := func(err error) error { return opError("wait for subscribers of", b.name, topic, err) }
	if err := alive(ctx); err != nil {
		return fail(err)
	}
	if err := CheckTopic(topic); err != nil {
		return fail(err)
	}
	if most := b.seg.Map.Geometry.Subscribers; n < 1 || n > most {
		return fail(fmt.Errorf("%w: %d subscribers: wait for 1 to %d, which is what the bus takes",
			ErrInvalid, n, most))
	}
	for pause := awaitFirst; ; pause = min(2*pause, awaitLongest) {
		// The context is checked before the bus. So a process that was stopped until after its
		// deadline finds subscribers that came meanwhile.
		ended := ctx.Err()
		have, err := b.subscribersOf(topic)
		switch {
		case err != nil:
			return fail(err)
		case have >= n:
			return nil
		case ended != nil:
			return &SubscribersError{Bus: b.name, Topic: topic, Want: n, Have: have, Err: ended}
		}
		rest(ctx, pause)
	}
}

// subscribersOf returns how many living subscriptions want a topic.
func (b *Bus) subscribersOf(topic string) (n int, err error) {
	if err := b.adopt(); err != nil {
		return 0, err
	}
	defer b.unref()
	b.member.BeginWait()
	if b.seg.Removed() {
		return 0, ErrRemoved
	}
	seg, alive := b.seg, b.seg.Census()
	id, known := b.topics.Find(topic)
	for s := range seg.High(layout.HeaderSubHigh, seg.Map.Geometry.Subscribers) {
		owner := layout.Owner(atomic.LoadUint64(seg.Sub(s, layout.SubOwner)))
		if owner == 0 || !alive(owner) {
			continue
		}
		reliable := atomic.LoadUint64(seg.Sub(s, layout.SubPolicy)) != layout.PolicyLossy
		// An evicted subscription is over. The gate of a lossy one is as the last owner left it.
		if reliable && b.ring.Gate(s).State() == layout.GateEvicted {
			continue
		}
		wants := known && atomic.LoadUint64(&seg.Interest(id)[s/64])&(1<<(s%64)) != 0
		if wants || recordMatches(seg.Text(seg.Map.Subscribers.At(s)+layout.SubPattern, layout.PatternSize), topic) {
			n++
		}
	}
	return n, nil
}

// recordMatches reports whether one of the patterns in a subscriber's record matches the topic. A
// subscription stores its patterns after it has its place in the ring. The last pattern may be cut
// off; then it does not count.
func recordMatches(text []byte, topic string) bool {
	patterns := layout.CString(text)
	whole := len(patterns) < len(text)-1
	list := strings.Fields(patterns)
	if !whole && len(list) > 0 {
		list = list[:len(list)-1]
	}
	for _, s := range list {
		if p, err := topics.Parse(s); err == nil && p.Matches(topic) {
			return true
		}
	}
	return false
}
