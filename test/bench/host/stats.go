package host

import (
	"cmp"
	"iter"
	"maps"
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
	return spreadOf(rounds, func(r Round) (float64, error) {
		x, err := m.Of(r.Turns[a])
		if err != nil {
			return 0, err
		}
		y, err := m.Of(r.Turns[b])
		return x / y, err
	})
}

// Absolute is the figure of an entrant.
func Absolute(rounds []Round, entrant int, m Metric) (Spread, error) {
	return spreadOf(rounds, func(r Round) (float64, error) { return m.Of(r.Turns[entrant]) })
}

func spreadOf(rounds []Round, of func(Round) (float64, error)) (Spread, error) {
	figures := make([]float64, len(rounds))
	for i, r := range rounds {
		var err error
		if figures[i], err = of(r); err != nil {
			return Spread{}, err
		}
	}
	return SpreadOf(figures), nil
}
