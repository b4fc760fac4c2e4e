package codec

import (
	"fmt"
	"math"
	"strings"
)

// Numbers says what becomes of a JSON number. A *Numbers is a flag.Value, and a pflag.Value.
type Numbers uint8

// The ways to carry numbers. All carry an integer of up to 64 bits as an integer, and a number that
// a float64 holds exactly as a float64. They differ in the other numbers.
const (
	// Nearest carries a number that is neither as the float64 nearest to it.
	Nearest Numbers = iota
	// Exact carries the text of any number that would otherwise be printed as another text, as an
	// ext of type [wire.ExtNumber].
	Exact
	// Refuse makes a number that is neither an error.
	Refuse
)

var numbers = [...]string{Nearest: "nearest", Exact: "exact", Refuse: "error"}

// NumbersNames lists the ways as Set accepts them.
func NumbersNames() []string { return append([]string(nil), numbers[:]...) }

// String returns the way's name.
func (n Numbers) String() string { return numbers[n] }

// Set makes n the way called s.
func (n *Numbers) Set(s string) error {
	for i, name := range numbers {
		if s == name {
			*n = Numbers(i)
			return nil
		}
	}
	return fmt.Errorf("unknown way to carry numbers %q: use one of %s", s, strings.Join(numbers[:], ", "))
}

// Type names the kind of value in a command's usage text.
func (n *Numbers) Type() string { return strings.Join(numbers[:], "|") }

// A NumberError is the reason why a number is not published.
type NumberError struct {
	Text string // the number, or how it begins
	Huge bool   // it is beyond the range of float64
	Tiny bool   // it is no zero, and nearer to zero than to any other float64
}

func (e *NumberError) Error() string {
	if e.Huge {
		return "the number " + e.Text + " is beyond the range of float64"
	}
	if e.Tiny {
		return "the number " + e.Text + " is so small that the nearest float64 is 0"
	}
	return "the number " + e.Text + " has more digits than an integer of 64 bits or a float64 holds"
}

// maxShown is how many bytes of a number an error shows.
const maxShown = 40

func newNumberError(text []byte, nearest float64) error {
	shown := string(text)
	if len(text) > maxShown {
		shown = string(text[:maxShown]) + "…"
	}
	return &NumberError{Text: shown, Huge: math.IsInf(nearest, 0), Tiny: nearest == 0}
}

// An Encoder makes frames of lines, and says which numbers it rounds.
type Encoder struct {
	Format  Format
	Numbers Numbers
	// Rounded, if it is not nil, is called for each number that is carried as another, with the
	// text of the number and of the other.
	Rounded func(text []byte, nearest float64)
}

// AppendFrame is [Format.AppendFrame] for this encoder.
func (e *Encoder) AppendFrame(dst, line []byte) ([]byte, error) {
	if e.Format == JSON {
		return appendJSONFrame(dst, line, e.Numbers, e.Rounded)
	}
	return e.Format.AppendFrame(dst, line)
}
