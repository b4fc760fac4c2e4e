package host

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
)

// A Spread is the median of some figures, and how far they reach.
type Spread struct {
	N                int
	Median, Min, Max float64
}

// SpreadOf summarises figures, of which there is at least one.
func SpreadOf(figures []float64) Spread {
	s := slices.Clone(figures)
	slices.Sort(s)
	n := len(s)
	return Spread{n, (s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// An Interval is where the median of what figures are drawn from lies.
type Interval struct{ Low, High float64 }

// MedianInterval returns the 95 % confidence interval of the median, whatever the distribution:
// from the k-th smallest figure to the k-th largest, where k is the largest number for which fewer
// than k of n throws of a coin are heads in at most 2.5 % of all cases. ok is false for fewer than
// six figures, which have none. (W. J. Conover, Practical Nonparametric Statistics, section 3.2; H.
// A. David and H. N. Nagaraja, Order Statistics, section 7.1.)
func MedianInterval(figures []float64) (i Interval, ok bool) {
	s := slices.Clone(figures)
	slices.Sort(s)
	k := medianRank(len(s))
	if k == 0 {
		return Interval{}, false
	}
	return Interval{s[k-1], s[len(s)-k]}, true
}

// medianRank returns the k of [MedianInterval] for n figures, 0 if there is none.
func medianRank(n int) int {
	const tail = 0.025
	below := 0.0                         // the probability of k heads or fewer
	exactly := -float64(n) * math.Log(2) // the logarithm of that of k heads
	for k := range n {
		if below += math.Exp(exactly); below > tail {
			return k
		}
		exactly += math.Log(float64(n-k) / float64(k+1))
	}
	return 0
}

// ByClass returns the rounds of each class, that with most rounds first.
func ByClass(rounds []Round) iter.Seq2[Class, []Round] {
	classes := map[Class][]Round{}
	for _, r := range rounds {
		classes[r.Class] = append(classes[r.Class], r)
	}
	order := slices.SortedFunc(maps.Keys(classes), func(x, y Class) int {
		return cmp.Or(cmp.Compare(len(classes[y]), len(classes[x])), cmp.Compare(x, y))
	})
	return func(yield func(Class, []Round) bool) {
		for _, c := range order {
			if !yield(c, classes[c]) {
				return
			}
		}
	}
}

// Ratio is the figure of entrant a to that of entrant b in the same round.
func Ratio(rounds []Round, a, b int, m Metric) (Spread, error) {
	ratios, err := Ratios(rounds, a, b, m)
	if err != nil {
		return Spread{}, err
	}
	return SpreadOf(ratios), nil
}

// Ratios returns the figure of entrant a to that of entrant b in each round.
func Ratios(rounds []Round, a, b int, m Metric) ([]float64, error) {
	return figuresOf(rounds, func(r Round) (float64, error) {
		x, err := m.Of(r.Turns[a])
		if err != nil {
			return 0, err
		}
		y, err := m.Of(r.Turns[b])
		if err == nil && y == 0 {
			err = fmt.Errorf("%s of the other is 0", m.Name)
		}
		return x / y, err
	})
}

// Absolute is the figure of an entrant.
func Absolute(rounds []Round, entrant int, m Metric) (Spread, error) {
	figures, err := figuresOf(rounds, func(r Round) (float64, error) { return m.Of(r.Turns[entrant]) })
	if err != nil {
		return Spread{}, err
	}
	return SpreadOf(figures), nil
}

func figuresOf(rounds []Round, of func(Round) (float64, error)) ([]float64, error) {
	figures := make([]float64, len(rounds))
	for i, r := range rounds {
		var err error
		if figures[i], err = of(r); err != nil {
			return nil, err
		}
	}
	return figures, nil
}
