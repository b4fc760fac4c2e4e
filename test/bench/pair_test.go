package main

import (
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"shmbus/test/bench/host"
)

func TestPair(t *testing.T) {
	yardsticks := map[string]string{"throughput": "native/ring:size=48", "roundtrip": "native/bounce", "wake": "native/futex"}
	_, err := exec.LookPath("gcc")
	for role, b := range yardsticks {
		if err != nil {
			b = "shmbus:size=64,wait=block"
		}
		t.Run(role, func(t *testing.T) {
			h := testHost(t)
			var out strings.Builder
			o := pairOptions{a: "shmbus:size=48", b: b, role: role, rounds: 2, n: "100"}
			if err := pair(t.Context(), h, o, &out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "A/B ") || !strings.Contains(out.String(), "median of") && !strings.Contains(out.String(), "NOISY") {
				t.Error(out.String())
			}
		})
	}
}

// Every yardstick and every variant of the bus carries what it is given.
func TestContendersAreSound(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc")
	}
	for _, spec := range []string{
		"shmbus:size=16", "shmbus:size=4096,slotsize=256", "shmbus:size=72,wait=spin,slots=8", "shmbus:size=48,wait=yield",
		"shmbus:size=48,form=safe", "shmbus:size=48,form=safe,batch=64",
		"native/ring:size=16", "native/ring:size=64,head=0", "native/ring:size=128,head=0,batch=64", "native/ring:size=48,mark=head",
		"native/ring:size=48,batch=64,slots=8", "native/ring:size=256", "native/ring:size=1000,slots=16",
		"native/memcpy:size=1048576", "native/memcpy:size=4096,buffers=4",
	} {
		t.Run(spec, func(t *testing.T) {
			h := testHost(t)
			var out strings.Builder
			if err := pair(t.Context(), h, pairOptions{a: spec, b: spec, role: "throughput", rounds: 2, n: "700"}, &out); err != nil {
				t.Error(err)
			}
		})
	}
}

// pairs are rounds of one class whose figures are given.
func pairs(class host.Class, a, b []int) (rounds []host.Round) {
	for i := range a {
		rounds = append(rounds, host.Round{Class: class, Turns: []host.Turn{{N: a[i]}, {N: b[i]}}})
	}
	return rounds
}

// The lower end of the interval is what counts, of twenty pairs of one class or more; of times,
// less is faster.
func TestClaims(t *testing.T) {
	figure := func(higher bool) host.Metric {
		return host.Metric{Unit: "ns", Higher: higher, Of: func(t host.Turn) (float64, error) { return float64(t.N), nil }}
	}
	same := slices.Repeat([]int{1000}, 20)
	random := rand.New(rand.NewPCG(1, 2))
	around := func(middle, reach, n int) (figures []int) {
		for range n {
			figures = append(figures, middle-reach+random.IntN(2*reach+1))
		}
		return figures
	}
	for _, c := range []struct {
		name    string
		rounds  []host.Round
		higher  bool
		atLeast float64
		want    string // that is printed
		err     string
	}{
		{"as fast", pairs(host.Close, same, same), true, 0.98, "close: A/B 1.000 (1.000 to 1.000), median of 20; A is 1.000 to 1.000 times as fast", ""},
		{"a little slower", pairs(host.Close, slices.Repeat([]int{975}, 20), same), true, 0.98, "shown: A is at least 0.98", ""},
		{"slower", pairs(host.Close, slices.Repeat([]int{965}, 20), same), true, 0.98, "A is 0.965 to 0.965", "0.965, is below 0.970"},
		{"longer", pairs(host.Far, slices.Repeat([]int{1050}, 20), same), false, 0.98, "A/B 1.050", "0.952, is below 0.970"},
		{"shorter", pairs(host.Far, slices.Repeat([]int{900}, 20), same), false, 1.1, "A is 1.111 to 1.111", ""},
		{"the sixth of twenty decides", pairs(host.Near, append(slices.Repeat([]int{900}, 5), slices.Repeat([]int{980}, 15)...), same), true, 0.98, "A is 0.980 to", ""},
		{"and is slow", pairs(host.Near, append(slices.Repeat([]int{900}, 6), slices.Repeat([]int{980}, 14)...), same), true, 0.98, "A is 0.900 to 0.980", "is below"},
		{"as fast in the median, but who knows", pairs(host.Close, around(1000, 300, 20), around(1000, 300, 20)), true, 0.98, "times as fast", "is below"},
		{"more pairs", pairs(host.Close, around(1000, 30, 400), slices.Repeat([]int{1000}, 400)), true, 0.98, "median of 400", ""},
		{"too few", pairs(host.Close, same[:19], same), true, 0.98, "median of 19", "19 pairs of one class, 20 are needed"},
		{"of two classes", append(pairs(host.Close, same[:15], same), pairs(host.Far, same[:19], same)...), true, 0.98, "close: ", "19 pairs"},
		{"far too few", pairs(host.Close, same[:3], same), true, 0, "no 95 % interval", ""},
		{"none", nil, true, 0.98, "", "no pair"},
		{"none, and nothing is claimed", nil, true, 0, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			err := conclude(&out, c.rounds, figure(c.higher), c.atLeast)
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("%q is not in\n%s", c.want, &out)
			}
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if shown := strings.Contains(out.String(), "shown"); shown != (err == nil && c.atLeast > 0) {
				t.Errorf("%v, but\n%s", err, &out)
			}
		})
	}
}

func TestPairRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--role", "sing"}, "throughput, roundtrip or wake"},
		{[]string{"--class", "wide"}, "close, near or far"},
		{[]string{"--rounds", "0"}, "from 1 on"},
		{[]string{"--at-least", "0.98", "--rounds", "9"}, "20 rounds or more"},
		{[]string{"--at-least", "-1"}, "above 0"},
	} {
		err := run(t.Context(), append([]string{"pair"}, c.args...), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}
