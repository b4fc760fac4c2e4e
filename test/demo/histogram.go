//go:build linux

package main

import (
	"math/bits"
	"time"
)

// subBuckets is the number of buckets in which each power of two is divided: a value that is
// read back is too large by at most 1/subBuckets.
const (
	subBits    = 4
	subBuckets = 1 << subBits
	buckets    = (64 - subBits + 1) * subBuckets
)

// A histogram counts durations in logarithmic buckets. The zero value is empty.
type histogram struct {
	n      uint64
	max    time.Duration
	counts [buckets]uint64
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return shift*subBuckets + int(v>>shift)
}

// upper is the largest duration of a bucket.
func upper(b int) time.Duration {
	if b < 2*subBuckets {
		return time.Duration(b)
	}
	shift := b/subBuckets - 1
	return time.Duration((uint64(b%subBuckets+subBuckets)+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	h.counts[bucket(d)]++
}

// merge adds what a report says.
func (h *histogram) merge(r latencies) {
	h.max = max(h.max, r.Max)
	for _, c := range r.Counts {
		if c[0] < buckets {
			h.counts[c[0]] += c[1]
			h.n += c[1]
		}
	}
}

// quantile returns a duration that the part q of all are not above.
func (h *histogram) quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.n)), uint64(0)
	for b, c := range h.counts {
		if seen += c; c > 0 && seen > rank {
			return min(upper(b), h.max)
		}
	}
	return h.max
}

// latencies is a histogram on its way from one process to another.
type latencies struct {
	Max    time.Duration `json:"max"`
	Counts [][2]uint64   `json:"counts"` // bucket, count
}

// take returns what the histogram holds, and empties it.
func (h *histogram) take() latencies {
	l := latencies{Max: h.max}
	for b, c := range h.counts {
		if c > 0 {
			l.Counts = append(l.Counts, [2]uint64{uint64(b), c})
		}
	}
	*h = histogram{}
	return l
}
