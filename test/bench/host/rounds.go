package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// A Round is a run of each entrant, one after the other, and the probes before, between and after
// them.
type Round struct {
	Turns  []Turn // in the order of the entrants, in whatever order they were taken
	Probes []float64
	Class  Class  // of all probes; empty if they differ
	Noise  string // why the round is thrown out; empty if it is kept
}

// A NoiseError says why there is no figure where no contender is to blame, but what the machine did
// meanwhile.
type NoiseError struct{ Why string }

func (e *NoiseError) Error() string { return e.Why }

// Rules say which rounds a contest keeps, and when it has enough of them.
type Rules struct {
	Rounds   int         // to keep
	Class    Class       // of the rounds that are kept; empty for any
	OneClass bool        // the rounds of one class are counted, not those of all
	Metric   Metric      // a round in which it finds noise is thrown out
	Each     func(Round) // is called with every round, unless nil
}

// Contest has the entrants take turns, in one order and the reverse of it alternately, until there
// are as many rounds as the rules want in which the machine did not change. Rounds in which it did
// are thrown out and repeated, up to twice as many as asked for, ten times as many where one class
// is wanted: then the error is a [*NoiseError], and what was kept is returned beside it.
func (h *Host) Contest(ctx context.Context, entrants []Entrant, rules Rules) (kept []Round, thrown int, err error) {
	turns := make([]func() (Turn, error), len(entrants))
	for i, e := range entrants {
		turns[i] = func() (Turn, error) {
			results, err := e.Run(ctx, e.N)
			return Turn{e.N, results}, err
		}
	}
	return contest(turns, func() (float64, error) { return h.Probe(ctx) }, rules)
}

func contest(turns []func() (Turn, error), probe func() (float64, error), rules Rules) (kept []Round, thrown int, err error) {
	last, err := probe()
	if err != nil {
		return nil, 0, err
	}
	order := make([]int, len(turns))
	for i := range order {
		order[i] = i
	}
	for !rules.enough(kept) {
		r := Round{Turns: make([]Turn, len(turns)), Probes: []float64{last}}
		for _, i := range order {
			if r.Turns[i], err = turns[i](); err != nil {
				return kept, thrown, err
			}
			if last, err = probe(); err != nil {
				return kept, thrown, err
			}
			r.Probes = append(r.Probes, last)
		}
		slices.Reverse(order)
		r.Class = classOf(r.Probes)
		r.Noise = rules.noise(r)
		if rules.Each != nil {
			rules.Each(r)
		}
		if r.Noise == "" {
			kept = append(kept, r)
			continue
		}
		if thrown++; thrown > rules.patience()*rules.Rounds {
			return kept, thrown, &NoiseError{fmt.Sprintf("%d of %d rounds had to be thrown out, the last since %s", thrown, thrown+len(kept), r.Noise)}
		}
	}
	return kept, thrown, nil
}

// enough reports whether no more rounds are needed.
func (rules Rules) enough(kept []Round) bool {
	if !rules.OneClass {
		return len(kept) >= rules.Rounds
	}
	for _, rounds := range ByClass(kept) {
		return len(rounds) >= rules.Rounds
	}
	return rules.Rounds <= 0
}

// patience returns how many rounds may be thrown out for each that is wanted. A class may be long
// in coming.
func (rules Rules) patience() int {
	if rules.Class != "" {
		return 10
	}
	return 2
}

// noise says why a round is to be thrown out.
func (rules Rules) noise(r Round) string {
	switch {
	case r.Class == "":
		return "the probes around it differ in class"
	case rules.Class != "" && r.Class != rules.Class:
		return fmt.Sprintf("the processors were %s", r.Class)
	case rules.Metric.Of == nil:
		return ""
	}
	for _, t := range r.Turns {
		var noise *NoiseError
		if _, err := rules.Metric.Of(t); errors.As(err, &noise) {
			return noise.Why
		}
	}
	return ""
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
