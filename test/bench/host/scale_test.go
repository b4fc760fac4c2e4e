package host

import (
	"errors"
	"testing"
	"time"
)

// A number of messages is found from runs that are long enough, whatever the short ones take.
func TestScaleBelievesNoShortRun(t *testing.T) {
	const about = 100 * time.Millisecond
	each := func(ns int) func(int, int) time.Duration {
		return func(_, n int) time.Duration { return time.Duration(ns * n) }
	}
	for _, c := range []struct {
		name string
		took func(run, n int) time.Duration
		want int
	}{
		{"messages alone", each(100), 1_000_000},
		{"slow ones", each(10_000_000), 10},
		{"workers that get their processor late", func(_, n int) time.Duration {
			return 30*time.Millisecond + time.Duration(90*n)
		}, 800_000},
		{"a stall in the first run", func(run, n int) time.Duration {
			if run == 0 {
				return 300 * time.Millisecond
			}
			return time.Duration(100 * n)
		}, 1_000_000},
		{"fast while the ring is empty", func(_, n int) time.Duration {
			return time.Duration(10*min(n, 16384) + 100*max(n-16384, 0))
		}, 1_010_000},
		{"nothing at all", func(int, int) time.Duration { return 1 }, 1 << 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs, longest := 0, time.Duration(0)
			n, err := scale(about, func(n int) (time.Duration, error) {
				took := c.took(runs, n)
				runs++
				longest = max(longest, took)
				return took, nil
			})
			if err != nil || n < c.want*3/5 || n > c.want*5/3 {
				t.Errorf("%d messages, %v, want about %d", n, err, c.want)
			}
			if longest > 3*about || runs > 16 {
				t.Errorf("%d runs, of up to %v", runs, longest)
			}
		})
	}
	broken := errors.New("broken")
	for _, at := range []int{0, 4, 6} {
		runs := 0
		if n, err := scale(about, func(n int) (time.Duration, error) {
			if runs++; runs > at {
				return 0, broken
			}
			return time.Duration(100 * n), nil
		}); err != broken {
			t.Errorf("%d messages though run %d failed: %v", n, at, err)
		}
	}
}
