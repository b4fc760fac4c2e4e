package tables

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"shmbus/test/bench/host"
)

var percents = []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100}

// distribution puts the times of an entrant in all rounds together.
func distribution(of string, rounds []host.Round, entrant int, times func(host.Turn) ([]uint32, error)) (Distribution, error) {
	h := hdrhistogram.New(1, int64(5*time.Second), 3)
	for _, r := range rounds {
		all, err := times(r.Turns[entrant])
		if err != nil {
			return Distribution{}, err
		}
		for _, ns := range all {
			if err := h.RecordValue(max(int64(ns), 1)); err != nil {
				return Distribution{}, err
			}
		}
	}
	d := Distribution{Of: of, Unit: "ns", Count: h.TotalCount()}
	for _, p := range percents {
		d.Points = append(d.Points, Percent{p, h.ValueAtPercentile(p)})
	}
	return d, nil
}
