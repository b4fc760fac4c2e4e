package main

import (
	"context"
	"time"

	"shmbus/cmd/internal/cli"
)

const (
	// pacerNap is the shortest sleep that is worth its system call. Messages due within it are
	// published at once.
	pacerNap = 200 * time.Microsecond
	// pacerBacklog is the most delay that is made up for afterwards.
	pacerBacklog = 10 * time.Millisecond
)

// A pacer spreads messages evenly over time.
type pacer struct {
	gap time.Duration // between two messages
	due time.Time     // of the next
}

func newPacer(rate float64) *pacer {
	return &pacer{gap: max(1, time.Duration(min(float64(time.Second)/rate, float64(1<<62))))}
}

// wait returns when the next message is due, or with the context's cause.
func (p *pacer) wait(ctx context.Context) error {
	now := time.Now()
	switch earliest := now.Add(-pacerBacklog); {
	case p.due.IsZero() || p.gap > pacerBacklog && p.due.Before(now):
		p.due = now
	case p.due.Before(earliest):
		p.due = earliest
	}
	if d := p.due.Sub(now); d >= pacerNap {
		if err := cli.Sleep(ctx, d); err != nil {
			return err
		}
	}
	p.due = p.due.Add(p.gap)
	return nil
}
