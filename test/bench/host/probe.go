package host

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"shmbus/test/bench/worker"
)

// A Class is how far apart two processors are, which may change while a virtual machine runs.
type Class string

const (
	Close Class = "close" // they share a cache, or are one core
	Near  Class = "near"
	Far   Class = "far"

	nearFrom = 150 // ns for the round trip of a cache line
	farFrom  = 300

	probeTrips = 8000
)

// ClassOf returns the class for the median round trip of a cache line in nanoseconds.
func ClassOf(rtt float64) Class {
	switch {
	case rtt < nearFrom:
		return Close
	case rtt < farFrom:
		return Near
	}
	return Far
}

// Probe measures the round trip of a cache line between the first two processors, in nanoseconds.
func (h *Host) Probe(ctx context.Context) (float64, error) {
	if h.probe == nil {
		spec := MustSpec("native/bounce").With("cpus", fmt.Sprintf("%d,%d", h.CPUs[0], h.CPUs[1]))
		places := []Place{{Role: "probe", CPU: Anywhere}}
		s, err := h.Start(ctx, spec, places)
		if errors.Is(err, worker.ErrSkipped) {
			spec.Contender = "bounce"
			s, err = h.Start(ctx, spec, places)
		}
		if err != nil {
			return 0, fmt.Errorf("probe: %w", err)
		}
		h.probe = s
	}
	results, err := h.probe.Run(ctx, probeTrips)
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	rtt, err := strconv.ParseFloat(results[0].Other["rtt"], 64)
	if err != nil || rtt <= 0 {
		return 0, fmt.Errorf("probe: rtt=%s is no time", results[0].Other["rtt"])
	}
	return rtt, nil
}
