package gobench

import (
	"os"
	"strings"
	"testing"
	"time"

	"shmbus/test/bench/worker"
)

// The benchmarks that the tests run are of their own binary.
func BenchmarkNap(b *testing.B) {
	for _, name := range []string{"size=1", "size=10"} {
		b.Run(name, func(b *testing.B) {
			time.Sleep(20 * time.Millisecond) // setting up
			b.ResetTimer()
			for range b.N {
				time.Sleep(time.Millisecond)
			}
		})
	}
}

func TestBenchmark(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, err := open(worker.Params{"test": self, "bench": "BenchmarkNap/size=1", "procs": "1"})
	if err != nil {
		t.Fatal(err)
	}
	const n = 7
	rep, err := r.Run(n)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Duration(rep.End - rep.Start); took < n*time.Millisecond {
		t.Errorf("%d naps of a millisecond take %v", n, took)
	}
	for name, want := range map[string]string{"BenchmarkNap": "of 2 benchmarks", "BenchmarkNap/size": "of 0 benchmarks"} {
		r, err := open(worker.Params{"test": self, "bench": name})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Run(1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := open(worker.Params{"bench": "BenchmarkNap"}); err == nil {
		t.Error("a benchmark of no binary")
	}
}

func TestNanoseconds(t *testing.T) {
	for out, want := range map[string]float64{
		"goos: linux\nBenchmarkAlone/both-2 \t 2000\t        58.25 ns/op\t 0 B/op\nPASS\n": 58.25,
		"BenchmarkRaw/size=48/reliable=true \t 5\t 1234567 ns/op\t 824.68 MB/s\n":          1234567,
	} {
		if got, err := nanoseconds(out); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", out, got, err, want)
		}
	}
	for _, out := range []string{"PASS\n", "BenchmarkA 1 2 ns/op\nBenchmarkB 1 2 ns/op\n"} {
		if got, err := nanoseconds(out); err == nil {
			t.Errorf("%q: %v", out, got)
		}
	}
}
