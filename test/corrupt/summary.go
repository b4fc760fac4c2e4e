//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// A tally is what a worker counted in a round.
type tally struct {
	Calls      int            `json:"calls"`
	Messages   int            `json:"messages"`
	Sessions   int            `json:"sessions"`
	Errors     map[string]int `json:"errors"`
	Violations []string       `json:"violations"`
}

// A summary adds up a run.
type summary struct {
	mu         sync.Mutex
	rounds     int
	mutations  int
	areas      map[string]int
	kinds      map[string]int
	damage     map[string]int // found by examinations
	total      tally
	restarts   int
	violations []violation
	elapsed    time.Duration
}

type violation struct {
	round int
	text  string
}

func newSummary() *summary {
	return &summary{areas: map[string]int{}, kinds: map[string]int{}, damage: map[string]int{}, total: tally{Errors: map[string]int{}}}
}

func (s *summary) add(t tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.Calls += t.Calls
	s.total.Messages += t.Messages
	s.total.Sessions += t.Sessions
	for k, n := range t.Errors {
		s.total.Errors[k] += n
	}
}

func (s *summary) violate(round int, format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, violation{round, fmt.Sprintf(format, a...)})
}

func (s *summary) write(w io.Writer, c config) {
	fmt.Fprintf(w, "%d rounds in %v, seed %d: %d mutations\n", s.rounds, s.elapsed.Round(time.Second), c.seed, s.mutations)
	fmt.Fprintf(w, "by area   %s\n", counts(s.areas))
	fmt.Fprintf(w, "by kind   %s\n", counts(s.kinds))
	fmt.Fprintf(w, "workers   %d calls, %d messages received, %d sessions, %d workers started again after their death\n", s.total.Calls, s.total.Messages, s.total.Sessions, s.restarts)
	fmt.Fprintf(w, "errors    %s\n", counts(s.total.Errors))
	fmt.Fprintf(w, "examined  %s\n", counts(s.damage))
	fmt.Fprintf(w, "%d violations\n", len(s.violations))
	for i, v := range s.violations {
		if i == 10 {
			fmt.Fprintf(w, "and %d more\n", len(s.violations)-i)
			break
		}
		fmt.Fprintf(w, "round %d: %s\nrepeat it with: go run ./test/corrupt -seed %d -round %d -each %d\n", v.round, v.text, c.seed, v.round, c.each)
	}
}

// counts shows the largest first.
func counts(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
