package wire

import (
	"math"
	"math/big"
	"strconv"
)

// ExtNumber is the ext type of a number that is carried as its text, in JSON's grammar. buspub
// makes it on demand (--numbers exact), of numbers that would otherwise lose their layout or their
// digits.
const ExtNumber = 'N'

// A Number is what a decimal text is in msgpack's own numbers.
type Number struct {
	Kind Kind   // Uint, Int (below 0) or Float64
	Bits uint64 // the number, an Int in two's complement, the bits of a Float64
	Fits bool   // it is the number written; otherwise the nearest float64, or an infinity
}

// Float returns the float64 of a Number of kind Float64.
func (n Number) Float() float64 { return math.Float64frombits(n.Bits) }

// Append appends n as msgpack.
func (n Number) Append(dst []byte) []byte {
	switch n.Kind {
	case Uint:
		return AppendUint(dst, n.Bits)
	case Int:
		return AppendInt(dst, int64(n.Bits))
	}
	return AppendFloat64(dst, n.Bits)
}

// Nearest returns the number that text writes. The text must follow JSON's grammar ([IsNumber]).
//
// An integer, without a point or an exponent, is an integer if 64 bits hold it, and otherwise a
// float64, as -0 is. Anything with a point or an exponent is a float64, also if it is whole: the
// kind depends on how a column of numbers is written and not on the value that a row happens to
// have. A float64 is the number written if, rendered with as many significant digits, it is the
// same decimal. That holds for each decimal of up to 15 digits (C's DBL_DIG), for what any tool
// prints of a float64 so that it reads back the same (17 digits, or the shortest), and for the
// exact digits of a float64.
func Nearest(text []byte) Number {
	digits := text
	negative := text[0] == '-'
	if negative {
		digits = text[1:]
	}
	var n uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return nearestFloat(text)
		}
		n = 10*n + d
	}
	switch {
	case !negative:
		return Number{Uint, n, true}
	case n == 0:
		return Number{Float64, 1 << 63, true}
	case n > 1<<63:
		return nearestFloat(text)
	}
	return Number{Int, -n, true}
}

func nearestFloat(text []byte) Number {
	v, _ := strconv.ParseFloat(string(text), 64) // out of range it is an infinity
	n := Number{Kind: Float64, Bits: math.Float64bits(v)}
	significant := significantDigits(text)
	abs := math.Abs(v)
	switch {
	case math.IsInf(v, 0):
	case v == 0:
		n.Fits = significant == 0
	case significant <= 15 && abs > 1e-300 && abs < 1e300:
		n.Fits = true
	case significant <= maxDigits:
		n.Fits = sameDigits(text, v, significant)
	}
	return n
}

// maxDigits is how many significant digits the exact decimal of a float64 can have.
const maxDigits = 767

// significantDigits counts the digits of text from the first to the last that is not 0.
func significantDigits(text []byte) int {
	n, last := 0, 0
	for _, c := range text {
		if c == 'e' || c == 'E' {
			break
		}
		if c < '0' || c > '9' || n == 0 && c == '0' {
			continue
		}
		n++
		if c != '0' {
			last = n
		}
	}
	return last
}

// sameDigits reports whether v, rendered with n significant digits, has those of text. Its power of
// ten is that of text, since v is the float64 nearest to it.
func sameDigits(text []byte, v float64, n int) bool {
	var space [40]byte
	rendered := strconv.AppendFloat(space[:0], math.Abs(v), 'e', n-1, 64)
	seen := 0
	for _, c := range text {
		if c < '0' || c > '9' || seen == 0 && c == '0' {
			continue
		}
		if rendered[0] == '.' {
			rendered = rendered[1:]
		}
		if rendered[0] != c {
			return false
		}
		rendered = rendered[1:]
		if seen++; seen == n {
			break
		}
	}
	return true
}

// IsNumber reports whether text is a number in JSON's grammar.
func IsNumber(text []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && text[n] >= '0' && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) > 0 && text[0] == '0' {
		text = text[1:]
	} else if !digits() {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if !digits() {
			return false
		}
	}
	if len(text) > 0 && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		if !digits() {
			return false
		}
	}
	return len(text) == 0
}

// What Rational takes: a few bytes of text could ask for gigabytes of digits by an exponent, and
// the time that a number takes grows with the square of its digits.
const (
	maxExponent = 400
	maxText     = 10_000
)

// Rational returns the number that text writes, exactly. It is not ok if text is no number, has
// more than ten thousand characters, or an exponent beyond 400, which is more than a float64 has.
func Rational(text []byte) (r *big.Rat, ok bool) {
	if len(text) > maxText || !IsNumber(text) {
		return nil, false
	}
	for i, c := range text {
		if c == 'e' || c == 'E' {
			if e, err := strconv.Atoi(string(text[i+1:])); err != nil || e > maxExponent ||
				e < -maxExponent {
				return nil, false
			}
			break
		}
	}
	return new(big.Rat).SetString(string(text))
}
