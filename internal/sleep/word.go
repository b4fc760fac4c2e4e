package sleep

import (
	"sync/atomic"

	"shmbus/layout"
)

// A wake word has the states of package layout. It changes in these places, and in no other:
//
//	from                to        by
//	Awake               Asleep    fallAsleep, the sleeper: not yet at a position
//	Asleep              Asleep    lookedAt, the sleeper, and certifySub, a certifier: at a position
//	Asleep              Claimed   waker.add: a post is about to follow
//	Claimed             Notified  waker.post: the post has been made
//	any                 Awake     Subscriber.WakeUp, the sleeper; Awaken, also for a dead owner
//
// docs/design.md has a drawing of them.

// change makes a wake word the value to, unless it has changed since from was loaded.
func change(word *uint64, from, to layout.Wake) bool {
	return atomic.CompareAndSwapUint64(word, uint64(from), uint64(to))
}

// fallAsleep makes the caller's wake word asleep. The word has no position yet, so that nobody
// certifies it.
func fallAsleep(word *uint64) {
	old := layout.Wake(atomic.LoadUint64(word))
	atomic.StoreUint64(word, uint64(layout.MakeWake(layout.NotYet, old.Generation()+1, layout.Asleep)))
}

// lookedAt stores in the caller's wake word the position at which the caller took its last look and
// found nothing. A word that was claimed meanwhile stays as it is.
func lookedAt(word *uint64, position uint64) {
	w := layout.Wake(atomic.LoadUint64(word))
	if w.State() == layout.Asleep {
		change(word, w, layout.MakeWake(position, w.Generation(), layout.Asleep))
	}
}

// Awaken makes a wake word awake. Nobody sleeps at this word any more.
func Awaken(word *uint64) {
	for {
		w := layout.Wake(atomic.LoadUint64(word))
		if change(word, w, w.With(layout.Awake)) {
			return
		}
	}
}
