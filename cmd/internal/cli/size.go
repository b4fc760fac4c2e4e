package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var units = []struct {
	letter string
	factor int64
}{{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}}

// ParseSize reads a number of bytes or things, not negative: "512", "64K", "16MiB". The units are
// powers of 1024; small letters are accepted.
func ParseSize(s string) (int64, error) {
	digits, factor := strings.TrimSpace(s), int64(1)
	upper := strings.ToUpper(digits)
suffixes:
	for _, u := range units {
		for _, suffix := range []string{u.letter, u.letter + "IB"} {
			if strings.HasSuffix(upper, suffix) {
				digits, factor = digits[:len(digits)-len(suffix)], u.factor
				break suffixes
			}
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || strings.HasPrefix(digits, "+") {
		return 0, fmt.Errorf("%q is no size: use a number, or one with K, M, G, as in 64K", s)
	}
	if n > math.MaxInt64/factor {
		return 0, fmt.Errorf("size %s is too large", s)
	}
	return n * factor, nil
}

// Size is a flag's value, as [ParseSize] reads it; -1 while the flag is not given. It works with
// package flag and with pflag.
type Size int64

// Set parses s.
func (v *Size) Set(s string) error {
	n, err := ParseSize(s)
	if err == nil {
		*v = Size(n)
	}
	return err
}

// String returns the size in the largest unit that divides it.
func (v Size) String() string {
	if v < 0 {
		return ""
	}
	n, letter := int64(v), ""
	for _, u := range units {
		if n == 0 || n%u.factor != 0 {
			break
		}
		letter = u.letter
	}
	for _, u := range units {
		if u.letter == letter {
			n /= u.factor
		}
	}
	return strconv.FormatInt(n, 10) + letter
}

// Type is the name of the value in a help text.
func (v Size) Type() string { return "SIZE" }

// Bytes formats a number of bytes with about three digits: "512 B", "2.75 MiB".
func Bytes(n uint64) string {
	if n < 1<<10 {
		return strconv.FormatUint(n, 10) + " B"
	}
	v, letter := scale(float64(n), 1024, "KMGTPE")
	return digits3(v) + " " + letter + "iB"
}

// Count formats a number: all its digits up to 99999, then "1.25M".
func Count(n uint64) string {
	if n < 100_000 {
		return strconv.FormatUint(n, 10)
	}
	v, letter := scale(float64(n), 1000, "kMGTPE")
	return digits3(v) + letter
}

// Plural formats a number of things: "1 message", "2 messages".
func Plural[N int | int64 | uint64](n N, what string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(what, "s"), strings.HasSuffix(what, "x"), strings.HasSuffix(what, "ch"):
		what += "es"
	default:
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// shortest is the shortest time that gives a rate worth printing.
const shortest = 10 * time.Millisecond

// PerSecond formats the rate of n messages, of which the first came at one time and the last at
// another, as the end of a list: ", 1234 messages/s". It returns "" if there is no rate: for fewer
// than two messages, or within too short a time.
func PerSecond(n uint64, first, last time.Time) string {
	d := last.Sub(first)
	if n < 2 || d < shortest {
		return ""
	}
	return fmt.Sprintf(", %.0f messages/s", float64(n-1)/d.Seconds())
}

// Rate formats a number per second: "0/s", "0.5/s", "1.25M/s".
func Rate(perSecond float64) string {
	switch {
	case math.IsNaN(perSecond) || perSecond <= 0:
		return "0/s"
	case perSecond < 1000:
		return digits3(perSecond) + "/s"
	}
	v, letter := scale(perSecond, 1000, "kMGTPE")
	return digits3(v) + letter + "/s"
}

// scale divides v until it is below the unit when rounded as digits3 rounds.
func scale(v, unit float64, letters string) (float64, string) {
	v /= unit
	i := 0
	for v >= unit-0.5 && i < len(letters)-1 {
		v /= unit
		i++
	}
	return v, letters[i : i+1]
}

func digits3(v float64) string {
	decimals := 0
	switch {
	case v < 9.995:
		decimals = 2
	case v < 99.95:
		decimals = 1
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
