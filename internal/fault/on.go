//go:build faults

package fault

import (
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Enabled reports whether faults can happen in this build.
const Enabled = true

var now = load(os.Getenv)

// At is called between two steps of a protocol. It does not return if it kills the process.
func At(p Point) {
	if now != nil {
		now.visit(p)
	}
}

// FirstPosition returns the position at which a new bus begins.
func FirstPosition() uint64 {
	if now == nil {
		return 0
	}
	return now.first
}

// A board is the plan of this process, with the words that report its progress. The words are in
// the file that other processes read, or on the heap if there is no file.
type board struct {
	plan
	last, fired *atomic.Uint64
	visits      []atomic.Uint64

	mu     sync.Mutex
	chance *rand.Rand
}

func (b *board) visit(p Point) {
	b.last.Store(uint64(p) + 1)
	n := b.visits[p].Add(1)
	r, ok := b.rules[p]
	if ok && n == r.visit || b.any.visit > 0 && b.hit(b.any.visit) {
		if !ok || n != r.visit {
			r = b.any
		}
		b.fired.Store(uint64(p) + 1)
		r.happen()
	}
}

// hit returns true with probability 1/n.
func (b *board) hit(n uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.chance.Uint64N(n) == 0
}

func (r rule) happen() {
	switch r.action {
	case "kill":
		unix.Kill(os.Getpid(), unix.SIGKILL)
		for { // not select {}, which Go may end as a deadlock before the kernel ends the process
			time.Sleep(time.Hour)
		}
	case "stop":
		// The signal is sent to this thread. If it were sent to the process, another thread could
		// take it while this one runs on.
		runtime.LockOSThread()
		unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		runtime.UnlockOSThread()
	case "stall":
		time.Sleep(r.stall)
	}
}
