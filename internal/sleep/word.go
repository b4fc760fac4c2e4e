package sleep

import (
	"sync/atomic"

	"shmbus/layout"
)

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
		moved := layout.MakeWake(position, w.Generation(), layout.Asleep)
		atomic.CompareAndSwapUint64(word, uint64(w), uint64(moved))
	}
}

// Awaken makes a wake word awake. Nobody sleeps at this word any more.
func Awaken(word *uint64) {
	for {
		w := layout.Wake(atomic.LoadUint64(word))
		if atomic.CompareAndSwapUint64(word, uint64(w), uint64(w.With(layout.Awake))) {
			return
		}
	}
}
