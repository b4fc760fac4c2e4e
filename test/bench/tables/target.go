package tables

// A Target is what a figure should be: at most so much, or at least.
type Target struct {
	Bound float64 `json:"bound"`
	Least bool    `json:"least,omitempty"`
}

// AtMost is the target of figures of which less is better.
func AtMost(bound float64) Target { return Target{Bound: bound} }

// AtLeast is the target of figures of which more is better.
func AtLeast(bound float64) Target { return Target{Bound: bound, Least: true} }

// Met reports whether a figure is as it should be.
func (t Target) Met(x float64) bool { return x <= t.Bound != t.Least || x == t.Bound }

// verdict says what the target is and whether it is met.
func (t Target) verdict(x float64, unit string) string {
	mark, sign := "✗", "≤"
	if t.Met(x) {
		mark = "✓"
	}
	if t.Least {
		sign = "≥"
	}
	bound := Quantity(t.Bound, unit)
	if unit == "ratio" {
		bound = significant(t.Bound)
	}
	return mark + sign + bound
}
