package host

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An Entrant takes part in a contest: a session, and the number for each of its runs.
type Entrant struct {
	*Session
	N int
}

// A Turn is one entrant's run in a round.
type Turn struct {
	N       int
	Results []Result
}

// A Round is a run of each entrant, one after the other, and the probes before, between and after them.
type Round struct {
	Turns  []Turn
	Probes []float64
	Class  Class // of all probes; empty if they differ, and the round is thrown out
}

// Contest has the entrants take turns until so many rounds were done in which the machine did not change. Rounds in which it did are
// thrown out and repeated, up to twice as many as asked for. each, unless nil, is called with every round.
func (h *Host) Contest(ctx context.Context, entrants []Entrant, rounds int, each func(Round)) (kept []Round, thrown int, err error) {
	turns := make([]func() (Turn, error), len(entrants))
	for i, e := range entrants {
		turns[i] = func() (Turn, error) {
			results, err := e.Run(ctx, e.N)
			return Turn{e.N, results}, err
		}
	}
	return contest(turns, func() (float64, error) { return h.Probe(ctx) }, rounds, each)
}

func contest(turns []func() (Turn, error), probe func() (float64, error), rounds int, each func(Round)) (kept []Round, thrown int, err error) {
	last, err := probe()
	if err != nil {
		return nil, 0, err
	}
	for len(kept) < rounds {
		r := Round{Probes: []float64{last}}
		for _, take := range turns {
			turn, err := take()
			if err != nil {
				return kept, thrown, err
			}
			if last, err = probe(); err != nil {
				return kept, thrown, err
			}
			r.Turns = append(r.Turns, turn)
			r.Probes = append(r.Probes, last)
		}
		r.Class = classOf(r.Probes)
		if each != nil {
			each(r)
		}
		if r.Class != "" {
			kept = append(kept, r)
			continue
		}
		if thrown++; thrown > 2*rounds {
			return kept, thrown, fmt.Errorf("the machine does not hold still: %d of %d rounds had to be thrown out", thrown, thrown+len(kept))
		}
	}
	return kept, thrown, nil
}

// classOf returns the class that all probes have, or none.
func classOf(probes []float64) Class {
	class := ClassOf(probes[0])
	for _, p := range probes[1:] {
		if ClassOf(p) != class {
			return ""
		}
	}
	return class
}

// Enter starts a contender and finds out how many messages take it about the given time.
func (h *Host) Enter(ctx context.Context, spec Spec, places []Place, about time.Duration) (Entrant, error) {
	s, err := h.Start(ctx, spec, places)
	if err != nil {
		return Entrant{}, err
	}
	n, err := s.Scale(ctx, about)
	if err != nil {
		return Entrant{}, errors.Join(err, s.Close())
	}
	return Entrant{s, n}, nil
}
