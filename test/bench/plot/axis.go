package plot

import "math"

// An Axis is one of a chart's two.
type Axis struct {
	Label  string // with the unit
	Log    bool
	Format func(float64) string // of tick labels
	Ticks  []Tick               // none: at round numbers
}

// A Tick is a labelled place on an axis.
type Tick struct {
	At    float64
	Label string
}

// ticks returns those within the scale.
func (a Axis) ticks(s scale) []Tick {
	var all []Tick
	for _, t := range a.Ticks {
		if s.has(t.At) {
			all = append(all, t)
		}
	}
	if a.Ticks != nil {
		return all
	}
	for _, v := range s.round() {
		all = append(all, Tick{v, a.Format(v)})
	}
	return all
}

// scale maps values to pixels.
type scale struct {
	low, high float64 // values
	from, to  float64 // pixels
	log       bool
}

func (s *scale) include(v float64) {
	if s.log && v <= 0 {
		return // it has no place
	}
	s.low, s.high = min(s.low, v), max(s.high, v)
}

// proper returns a scale that has an extent, also if there are fewer than two values.
func (s scale) proper() scale {
	switch {
	case s.low > s.high:
		s.low, s.high = 1, 2
	case s.low == s.high:
		s.low, s.high = s.low/2, max(s.high*2, s.low+1)
	}
	return s
}

func (s scale) has(v float64) bool {
	const slack = 1e-9
	return v >= s.low*(1-slack) && v <= s.high*(1+slack)
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log(max(v, low)), math.Log(low), math.Log(high)
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// round returns four to ten round numbers within the scale.
func (s scale) round() (all []float64) {
	if s.log {
		steps := []float64{1, 2, 5}
		if s.high/s.low > 1e3 {
			steps = steps[:1]
		}
		for decade := math.Pow(10, math.Floor(math.Log10(s.low))); decade <= s.high; decade *= 10 {
			for _, m := range steps {
				if s.has(m * decade) {
					all = append(all, m*decade)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/4)))
	for _, m := range []float64{5, 2} {
		if (s.high-s.low)/(m*step) >= 4 {
			step *= m
			break
		}
	}
	for i := math.Ceil(s.low / step); i*step <= s.high*(1+1e-9); i++ {
		all = append(all, i*step)
	}
	return all
}
