package worker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

type counter struct {
	closed *bool
	sum    int
}

func (c *counter) Run(n int) (Report, error) {
	if n == 13 {
		return Report{}, errors.New("13 brings\nbad luck")
	}
	c.sum += n
	return Report{Start: 5, End: 9, Bad: 1, Lost: 2, Samples: []uint32{7, 1 << 31}, Other: Params{"sum": fmt.Sprint(c.sum)}}, nil
}

func (c *counter) Close() error {
	*c.closed = true
	return nil
}

var closed bool

func init() {
	Register("counter", "count", func(p Params) (Runner, error) {
		if p.Int("size", 48) == 1 {
			return nil, fmt.Errorf("%w: no counting here", ErrSkipped)
		}
		return &counter{closed: &closed}, nil
	})
}

func TestProtocol(t *testing.T) {
	dir := t.TempDir()
	samples := fmt.Sprintf("%s/counter-count-%d.samples", dir, os.Getpid())
	ran := func(n, sum int) string {
		return fmt.Sprintf("ran n=%d start=5 end=9 cpu=CPU bad=1 lost=2 samples=%s sum=%d\n", n, samples, sum)
	}
	for _, c := range []struct {
		name, args, in string
		out            string
		code           int
	}{
		{"runs go on", "counter count", "run 2\nrun 3\nquit\n", "ready\n" + ran(2, 2) + ran(3, 5), 0},
		{"input ends", "counter count", "run 2\n", "ready\n" + ran(2, 2), 0},
		{"a run fails", "counter count", "run 13\nrun 2\n", "ready\nerror 13 brings; bad luck\n", 1},
		{"skipped", "counter count size=1", "", "error skipped: no counting here\n", 1},
		{"no number", "counter count size=x", "", "error size=x: a number is needed\n", 1},
		{"no pair", "counter count size", "", "error \"size\": key=value is needed\n", 1},
		{"twice", "counter count dir=/", "", "error dir is given twice\n", 1},
		{"run of none", "counter count", "run 0\n", "ready\nerror run 0: a number from 1 on is needed\n", 1},
		{"nonsense", "counter count", "walk 2\n", "ready\nerror \"walk 2\" is not understood\n", 1},
		{"no such role", "counter dance", "", "error there is no contender counter with role dance\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			closed = false
			args := append(strings.Fields(c.args), "dir="+dir)
			var out strings.Builder
			code := Main(args, strings.NewReader(c.in), &out)
			if got := maskCPU(out.String()); code != c.code || got != c.out {
				t.Errorf("code %d, output:\n%swant code %d, output:\n%s", code, got, c.code, c.out)
			}
			if ready := strings.HasPrefix(c.out, "ready"); closed != ready {
				t.Errorf("closed: %v, was ready: %v", closed, ready)
			}
		})
	}
	got, err := ReadSamples(samples)
	if err != nil || len(got) != 2 || got[0] != 7 || got[1] != 1<<31 {
		t.Errorf("samples %v, %v", got, err)
	}
}

func maskCPU(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		words := strings.SplitAfter(line, " ")
		for _, w := range words {
			if strings.HasPrefix(w, "cpu=") {
				w = "cpu=CPU "
			}
			b.WriteString(w)
		}
	}
	return b.String()
}
