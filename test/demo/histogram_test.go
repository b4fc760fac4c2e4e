//go:build linux

package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucketsAreInOrder(t *testing.T) {
	require.Equal(t, 0, bucket(-1))
	for d := time.Duration(0); d < 1<<62; d += d/100 + 1 {
		b := bucket(d)
		require.LessOrEqual(t, d, upper(b))
		if b > 0 {
			require.Greater(t, d, upper(b-1))
		}
		require.LessOrEqual(t, float64(upper(b)-d), float64(d)/subBuckets)
	}
	require.Less(t, bucket(1<<63-1), buckets)
}

func TestQuantile(t *testing.T) {
	var h, sum histogram
	require.Zero(t, h.quantile(0.5))
	var all []time.Duration
	for i := range 10_000 {
		d := time.Duration(rand.ExpFloat64() * 1e6)
		all = append(all, d)
		h.add(d)
		if i%1000 == 0 {
			sum.merge(h.take())
		}
	}
	sum.merge(h.take())
	require.Equal(t, histogram{}, h)
	slices.Sort(all)
	require.EqualValues(t, len(all), sum.n)
	require.Equal(t, all[len(all)-1], sum.quantile(1))
	for _, q := range []float64{0, 0.5, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		got := sum.quantile(q)
		require.GreaterOrEqual(t, got, want)
		require.LessOrEqual(t, float64(got-want), float64(want)/subBuckets)
	}
}
