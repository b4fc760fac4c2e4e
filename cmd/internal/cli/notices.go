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

// Notices writes messages that may come by the million. It writes the first ten in a second as they
// are, and only a sum of the others when the second is over. Other output to the same writer
// meanwhile should go through Say.
type Notices struct {
	W io.Writer
	// Sum returns the line for n messages that were held back, about things numbered first to last,
	// of which count are concerned.
	Sum func(n, count, first, last uint64) string

	mu    sync.Mutex
	end   time.Time // of the window
	shown int
	timer *time.Timer // runs while something is held back

	held, count, first, last uint64
}

// Add reports count things among those numbered first to last, with the text that line returns.
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

// Flush writes the sum of the messages that were held back, if there are any. The command calls it
// at its end.
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
