package host

import (
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	const (
		before = "cpu  1000 10 200 5000 100 5 5 50 300 0\ncpu0 1 2 3\n"
		quiet  = "cpu  1001 10 201 5192 106 5 5 50 301 0\n"
		busy   = "cpu  1060 20 230 5090 105 5 5 50 330 0\n"
		stolen = "cpu  1000 10 200 5190 100 5 5 60 300 0\n"
	)
	for _, c := range []struct {
		name, after, average string
		want                 Load
	}{
		{"quiet", quiet, "0.18 0.66 0.36 1/96 26928\n", Load{0.18, 0, 1, 0, true}},
		{"busy", busy, "7.10 0.66 0.36 4/96 26928\n", Load{7.1, 3, 100 * 100. / 195, 0, false}},
		{"stolen", stolen, "0.00 0.66 0.36 1/96 26928\n", Load{0, 0, 0, 5, false}},
		{"no time passed", before, "0.00 0.66 0.36 1/96 26928\n", Load{0, 0, 0, 0, true}},
	} {
		got, err := loadOf(before, c.after, c.average)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
		if warns := strings.Contains(got.Warning(), "not quiet"); warns == c.want.Quiet {
			t.Errorf("%s: %q", c.name, got.Warning())
		}
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 x 5 6 7 8 9"} {
		if _, err := loadOf(bad, quiet, "0 0 0 1/2 3"); err == nil {
			t.Errorf("%q is understood", bad)
		}
	}
	if _, err := loadOf(before, quiet, "what"); err == nil {
		t.Error("a load average of words is understood")
	}
	if l, err := FindLoad(t.Context(), 20*time.Millisecond); err != nil || l.Busy < 0 || l.Busy > 100 {
		t.Errorf("%+v, %v", l, err)
	}
}
