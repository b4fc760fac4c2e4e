package host

import (
	"cmp"
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

// A Comparison is what the rounds of one class say of A and B.
type Comparison struct {
	Class Class
	Ratio Spread // of A to B, of each round
	A, B  Spread
}

// Compare compares entrants a and b of the rounds, by class, that with most rounds first.
func Compare(rounds []Round, a, b int, m Metric) ([]Comparison, error) {
	type figures struct{ ratio, a, b []float64 }
	classes := map[Class]*figures{}
	for _, r := range rounds {
		x, err := m.Of(r.Turns[a])
		if err != nil {
			return nil, err
		}
		y, err := m.Of(r.Turns[b])
		if err != nil {
			return nil, err
		}
		f := classes[r.Class]
		if f == nil {
			f = &figures{}
			classes[r.Class] = f
		}
		f.ratio, f.a, f.b = append(f.ratio, x/y), append(f.a, x), append(f.b, y)
	}
	var all []Comparison
	for class, f := range classes {
		all = append(all, Comparison{class, SpreadOf(f.ratio), SpreadOf(f.a), SpreadOf(f.b)})
	}
	slices.SortFunc(all, func(x, y Comparison) int {
		return cmp.Or(cmp.Compare(y.Ratio.N, x.Ratio.N), cmp.Compare(x.Class, y.Class))
	})
	return all, nil
}
