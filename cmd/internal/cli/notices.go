package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	noticesPerWindow = 10
	noticeWindow     = time.Second
)

// Notices writes complaints that may come by the million: the first ten in a second as they are, of the others
// only a sum, when the second is over. What else goes to the same writer meanwhile should go through Say.
type Notices struct {
	W io.Writer
	// Sum makes the line for n complaints that were held back, about things numbered first to last, of
	// which count are concerned.
	Sum func(n, count, first, last uint64) string

	mu    sync.Mutex
	end   time.Time // of the window
	shown int
	timer *time.Timer // runs while something is held back

	held, count, first, last uint64
}

// Add complains about count things among those numbered first to last, in the words that line returns.
func (n *Notices) Add(count, first, last uint64, line func() string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if !now.Before(n.end) {
		n.flush()
		n.end, n.shown = now.Add(noticeWindow), 0
	}
	if n.shown < noticesPerWindow {
		n.shown++
		n.write(line())
		return
	}
	if n.held == 0 {
		n.first = first
		n.timer = time.AfterFunc(n.end.Sub(now), n.Flush)
	}
	n.held++
	n.count += count
	n.last = last
}

// Say writes a line at once.
func (n *Notices) Say(format string, a ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.write(fmt.Sprintf(format, a...))
}

// Flush writes the sum of what was held back, if anything was. It is to be called at the end.
func (n *Notices) Flush() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flush()
}

func (n *Notices) flush() {
	if n.held == 0 {
		return
	}
	n.timer.Stop()
	n.write(n.Sum(n.held, n.count, n.first, n.last))
	n.held, n.count = 0, 0
}

func (n *Notices) write(line string) { fmt.Fprintf(n.W, "%s: %s\n", Program(), line) }
