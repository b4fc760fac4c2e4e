package sleep

import (
	"sync/atomic"

	"shmbus/layout"
)

// fallAsleep makes a wake word of the caller's asleep. Its position is not known yet, so that
// nobody certifies it.
func fallAsleep(word *uint64) {
	old := layout.Wake(atomic.LoadUint64(word))
	atomic.StoreUint64(word, uint64(layout.MakeWake(layout.NotYet, old.Generation()+1, layout.Asleep)))
}

// lookedAt gives a wake word of the caller's the position at which the caller took its last look
// and found nothing. A word that was claimed meanwhile stays as it is.
func lookedAt(word *uint64, position uint64) {
	w := layout.Wake(atomic.LoadUint64(word))
	if w.State() == layout.Asleep {
		moved := layout.MakeWake(position, w.Generation(), layout.Asleep)
		atomic.CompareAndSwapUint64(word, uint64(w), uint64(moved))
	}
}

// Awaken makes a wake word awake, of which nobody sleeps any more.
func Awaken(word *uint64) {
	for {
		w := layout.Wake(atomic.LoadUint64(word))
		if atomic.CompareAndSwapUint64(word, uint64(w), uint64(w.With(layout.Awake))) {
			return
		}
	}
}
