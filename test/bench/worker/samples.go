package worker

import (
	"encoding/binary"
	"math"
	"os"
)

// NewSamples returns room for n samples, whose pages are there already, so that none is first
// touched while time is taken.
func NewSamples(n int) []uint32 {
	s := make([]uint32, n)
	for i := 0; i < n; i += 1024 {
		s[i] = 1
		s[i] = 0
	}
	return s
}

// Sample returns nanoseconds as a sample, bounded by what it can hold.
func Sample(ns int64) uint32 { return uint32(min(max(ns, 0), math.MaxUint32)) }

func writeSamples(path string, samples []uint32) error {
	b := make([]byte, 0, 4*len(samples))
	for _, s := range samples {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	return os.WriteFile(path, b, 0o600)
}

// ReadSamples reads the samples that a worker has written.
func ReadSamples(path string) ([]uint32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := make([]uint32, len(b)/4)
	for i := range s {
		s[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return s, nil
}
