package testload

import (
	"errors"
	"fmt"
)

// Errors of a [Checker], beside [ErrTorn].
var (
	ErrMissing  = errors.New("messages are missing")
	ErrRepeated = errors.New("message came twice")
	ErrLate     = errors.New("message came out of order")
)

// A Checker follows the messages of several senders and counts what has become of them. The zero
// Checker takes it that messages may be lost, and each sender's first may have any number.
type Checker struct {
	Complete bool // every sender's messages are to be there, from number 0 on

	Received, Missing, Repeated, Late, Torn uint64

	senders map[uint32]*sender
}

type sender struct {
	due    uint64 // the number that comes next, or the lowest that may come
	recent uint64 // bit i: number due-1-i has come
}

// Take checks the next message of a sender, and returns its number. A short message (see [Fill])
// takes the number that is due.
func (c *Checker) Take(id uint32, frame []byte) (uint64, error) {
	n, numbered, err := Number(frame, id)
	if err != nil {
		c.Torn++
		return n, fmt.Errorf("sender %d, where number %d was due: %w", id, c.Due(id), err)
	}
	s := c.senders[id]
	if s == nil {
		s = &sender{}
		if c.senders == nil {
			c.senders = make(map[uint32]*sender)
		}
		c.senders[id] = s
		if !c.Complete {
			s.due = n
		}
	}
	if !numbered {
		n = s.due
	}
	c.Received++
	if n < s.due {
		if back := s.due - 1 - n; back < 64 && s.recent>>back&1 == 0 {
			s.recent |= 1 << back
			c.Late++
			c.Missing-- // it was missed
			return n, fmt.Errorf("sender %d, number %d where %d was due: %w", id, n, s.due, ErrLate)
		}
		c.Repeated++
		return n, fmt.Errorf("sender %d, number %d where %d was due: %w", id, n, s.due, ErrRepeated)
	}
	gap := n - s.due
	c.Missing += gap
	s.recent = s.recent<<(gap+1) | 1
	s.due = n + 1
	if gap > 0 && c.Complete {
		return n, fmt.Errorf("sender %d, number %d where %d was due: %w", id, n, n-gap, ErrMissing)
	}
	return n, nil
}

// Due returns the number that is due from a sender: one more than the last that came.
func (c *Checker) Due(id uint32) uint64 {
	if s := c.senders[id]; s != nil {
		return s.due
	}
	return 0
}

// Next returns, for each sender, what is due.
func (c *Checker) Next() map[uint32]uint64 {
	next := make(map[uint32]uint64, len(c.senders))
	for id, s := range c.senders {
		next[id] = s.due
	}
	return next
}
