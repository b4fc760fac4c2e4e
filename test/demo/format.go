//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count writes a number in up to seven characters: "999,999", then "1.23M".
func count(n uint64) string {
	switch {
	case n < 1000:
		return strconv.FormatUint(n, 10)
	case n < 1e6:
		return fmt.Sprintf("%d,%03d", n/1000, n%1000)
	}
	v, letters := float64(n)/1e6, "MGTPE"
	for v >= 999.5 && len(letters) > 1 {
		v, letters = v/1000, letters[1:]
	}
	return digits(v) + letters[:1]
}

// exact writes all digits of a number.
func exact(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	return exact(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

func bytesOf(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10) + " B"
	}
	v, letters := float64(n)/1000, "kMGTPE"
	for v >= 999.5 && len(letters) > 1 {
		v, letters = v/1000, letters[1:]
	}
	return digits(v) + " " + letters[:1] + "B"
}

// short writes a duration in up to five characters: "850ns", "12µs", "1.2ms".
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Nanosecond, "ns"}, {time.Microsecond, "µs"}, {time.Millisecond, "ms"}, {time.Second, "s"}} {
		if v := float64(d) / float64(u.unit); v < 999.5 || u.unit == time.Second {
			if v < 9.95 && u.unit > time.Nanosecond {
				return strconv.FormatFloat(v, 'f', 1, 64) + u.name
			}
			return strconv.FormatFloat(v, 'f', 0, 64) + u.name
		}
	}
	return ""
}

// digits writes three digits.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return exact(uint64(n)) + " " + what
}

// list joins with commas and "and".
func list(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return exact(uint64(n)) + " processes"
}
