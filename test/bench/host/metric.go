package host

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// A Metric makes a figure of a turn.
type Metric struct {
	Name   string
	Unit   string
	Higher bool // is better
	Of     func(Turn) (float64, error)
}

// Throughput is messages per second, of all receivers together, from the first send to the last
// receipt. What is sent to nobody counts as sent.
var Throughput = Metric{"throughput", "msgs/s", true, func(t Turn) (float64, error) {
	n, err := t.carried()
	return float64(n) / Elapsed(t.Results).Seconds(), err
}}

// Volume is bytes of payload per second.
func Volume(size int) Metric {
	return Metric{"volume", "B/s", true, func(t Turn) (float64, error) {
		rate, err := Throughput.Of(t)
		return rate * float64(size), err
	}}
}

// Median is the median of the samples of one role, in nanoseconds.
func Median(role string) Metric { return Quantile(role, 50) }

// Quantile is a percentile of the samples of one role, in nanoseconds.
func Quantile(role string, percent float64) Metric {
	return Metric{fmt.Sprintf("p%v", percent), "ns", false, func(t Turn) (float64, error) {
		r, err := t.of(role)
		if err != nil {
			return 0, err
		}
		return quantile(r.Samples, percent)
	}}
}

// Each is the median of the samples of one role for one message: each sample is of as many as the
// worker says by each=.
func Each(role string) Metric {
	return Metric{"each", "ns", false, func(t Turn) (float64, error) {
		r, err := t.of(role)
		if err != nil {
			return 0, err
		}
		each, err := strconv.ParseFloat(r.Other["each"], 64)
		if err != nil || each <= 0 {
			return 0, fmt.Errorf("%s says each=%s", role, r.Other["each"])
		}
		median, err := quantile(r.Samples, 50)
		return median / each, err
	}}
}

// CPUPerMessage is the processor time of one role for a message, in nanoseconds.
func CPUPerMessage(role string) Metric {
	return Metric{"cpu " + role, "ns", false, func(t Turn) (float64, error) {
		r, err := t.of(role)
		return float64(r.CPU) / float64(max(r.N, 1)), err
	}}
}

// CPU is the processor time of all processes together for a message, a server's included, in
// nanoseconds.
var CPU = Metric{"cpu", "ns", false, func(t Turn) (float64, error) {
	var cpu time.Duration
	for _, r := range t.Results {
		cpu += r.CPU
	}
	n, err := t.carried()
	return float64(cpu) / float64(n), err
}}

// Lost is the share of messages that receivers lost, in percent.
var Lost = Metric{"lost", "%", false, func(t Turn) (float64, error) {
	var lost, sent uint64
	for _, r := range t.Results {
		if partOf(r.Role).receives {
			lost += r.Lost
			sent += uint64(r.N)
		}
	}
	return 100 * float64(lost) / float64(max(sent, 1)), nil
}}

// WakeTime is a percentile of the times from before a publish to after the return of a subscriber
// that slept, in nanoseconds.
func WakeTime(percent float64) Metric {
	return Metric{fmt.Sprintf("p%v", percent), "ns", false, func(t Turn) (float64, error) {
		took, err := WakeTimes(t)
		if err != nil {
			return 0, err
		}
		return quantile(took, percent)
	}}
}

// WakeTimes returns the times that the samples of tick and wake, which are moments, are apart. A
// worker that says how often it slept must have done so before three quarters of the messages, or
// the turn is noise: what disturbs the machine for a moment makes some come at once, and they find
// it awake.
func WakeTimes(t Turn) ([]uint32, error) {
	from, err := t.of("tick")
	if err != nil {
		return nil, err
	}
	to, err := t.of("wake")
	if err != nil {
		return nil, err
	}
	if len(from.Samples) != len(to.Samples) {
		return nil, fmt.Errorf("%d moments of tick, %d of wake", len(from.Samples), len(to.Samples))
	}
	slept, err := strconv.Atoi(to.Other.String("slept", strconv.Itoa(to.N)))
	if err != nil {
		return nil, err
	}
	if slept < to.N*3/4 {
		return nil, &NoiseError{fmt.Sprintf("it slept before %d of %d messages only", slept, to.N)}
	}
	took := make([]uint32, len(from.Samples))
	for i := range took {
		took[i] = to.Samples[i] - from.Samples[i]
	}
	return took, nil
}

// Samples returns the samples of one role.
func Samples(role string) func(Turn) ([]uint32, error) {
	return func(t Turn) ([]uint32, error) {
		r, err := t.of(role)
		return r.Samples, err
	}
}

func (t Turn) of(role string) (Result, error) {
	for _, r := range t.Results {
		if r.Role == role {
			return r, nil
		}
	}
	return Result{}, errors.New("there is no " + role)
}

// carried returns how many messages were received, or sent where nobody receives.
func (t Turn) carried() (int, error) {
	var sent, received int
	for _, r := range t.Results {
		p := partOf(r.Role)
		if p.sends {
			sent += r.N
		}
		if p.receives {
			received += r.N - int(r.Lost)
		}
	}
	n := received
	if !slices.ContainsFunc(t.Results, func(r Result) bool { return partOf(r.Role).receives }) {
		n = sent
	}
	if n == 0 {
		return 0, errors.New("nothing was received")
	}
	return n, nil
}

// quantile returns the smallest sample that percent of all are not above.
func quantile(samples []uint32, percent float64) (float64, error) {
	if len(samples) == 0 {
		return 0, errors.New("there are no samples")
	}
	s := slices.Clone(samples)
	slices.Sort(s)
	i := int(math.Ceil(float64(len(s))*percent/100)) - 1
	return float64(s[min(max(i, 0), len(s)-1)]), nil
}
