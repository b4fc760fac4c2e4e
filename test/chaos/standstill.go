//go:build linux

package main

import (
	"sync"
	"time"
)

// A standstill measures the longest time in which nothing was published although somebody could
// have: times in which a subscriber that publishers must wait for was stopped, and the beginning
// and the end of a round, are excused.
type standstill struct {
	mu      sync.Mutex
	moved   time.Time // when something was published last
	excused time.Time // when there was a reason last
	longest time.Duration
}

// look notes whether the head has moved since the last look. A standstill counts up to the last
// look that saw one, so that the observer's own absence is none.
func (s *standstill) look(moved bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if moved || s.moved.IsZero() {
		s.moved = now
		return
	}
	if s.moved.After(s.excused) {
		s.longest = max(s.longest, now.Sub(s.moved))
	}
}

func (s *standstill) excuse(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.excused = now
}

// read returns the longest standstill so far, and how long the present one lasts.
func (s *standstill) read(now time.Time) (longest, present time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.moved
	if s.excused.After(from) {
		from = s.excused
	}
	return s.longest, now.Sub(from)
}
