package tables

import (
	"strings"
	"testing"

	"shmbus/test/bench/host"
)

func TestPrint(t *testing.T) {
	ratio := func(column string, median, min, max float64) Figure {
		return Figure{Column: column, Unit: "ratio", Median: median, Min: min, Max: max}
	}
	rows := []Row{
		{Case: "48 B", Class: host.Close, Rounds: 6, Thrown: 1, Figures: []Figure{
			ratio("÷ ring", 0.25, 0.2, 0.3), {Column: "shmbus", Unit: "msgs/s", Median: 25e6, Min: 24e6, Max: 26e6},
		}},
		{Case: "48 B", Class: host.Far, Rounds: 1, Figures: []Figure{
			ratio("÷ ring", 0.5, 0.5, 0.5), {Column: "shmbus", Unit: "msgs/s", Median: 9500, Min: 9500, Max: 9500},
		}},
		{Case: "1 MiB", Failed: "3 bad messages"},
		{Case: "3 MiB", Noisy: "it dozed"},
		{Case: "4 MiB", Noisy: "it dozed", Class: host.Far, Rounds: 2, Thrown: 3, Figures: []Figure{{Column: "shmbus", Unit: "msgs/s", Median: 2, Min: 1, Max: 3}}},
		{Case: "2 MiB", Class: host.Far, Rounds: 7, Figures: []Figure{
			{Column: "÷ ring", Skipped: "there is no gcc"}, ratio("÷ memcpy", 12.34, 1, 100), {Column: "shmbus", Unit: "msgs/s", Median: 1, Min: 1, Max: 1},
		}},
	}
	var b strings.Builder
	Print(&b, Table{Title: "Title", Notes: []string{"note"}}, rows)
	const want = `
Title
  note
                            ÷ ring           ÷ memcpy     shmbus    class                noise
  48 B         0.250 (0.200–0.300)                      25.0 M/s   close ×6   ±4 %, 1 thrown out
  48 B         0.500 (0.500–0.500)                      9.50 k/s   far ×1                 ±0 %
  1 MiB  FAILED
  3 MiB  NOISY
  4 MiB  NOISY   2.00 /s far ×2 ±50 %, 3 thrown out
  2 MiB                          –   12.3 (1.00–100)    1.00 /s   far ×7                 ±0 %
  - 1 MiB: FAILED: 3 bad messages
  - 3 MiB: NOISY: it dozed
  - 4 MiB: NOISY: it dozed
  - there is no gcc
`
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	if squeeze(b.String()) != squeeze(want) {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

func TestQuantity(t *testing.T) {
	for _, c := range []struct {
		x    float64
		unit string
		want string
	}{
		{26.54e6, "msgs/s", "26.5 M/s"}, {3870, "msgs/s", "3.87 k/s"}, {12, "msgs/s", "12.0 /s"},
		{22.2e9, "B/s", "22.2 GB/s"}, {425e6, "B/s", "425 MB/s"},
		{96 << 10, "B", "96.0 KiB"}, {3 << 19, "B", "1.50 MiB"}, {7, "", "7"}, {1.5, "", "1.50"},
		{37.7, "ns", "37.7 ns"}, {9735, "ns", "9735 ns"}, {14600, "ns", "14.6 µs"}, {2.5e6, "ns", "2.50 ms"},
	} {
		if got := Quantity(c.x, c.unit); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.x, c.unit, got, c.want)
		}
	}
}

// Slots take no more memory than the bound, and there are never fewer than the bus allows.
func TestSlotsFor(t *testing.T) {
	for slot, want := range map[int]int{64: 1 << 14, 256: 1 << 14, 1088: 4096, 4160: 1024, 64<<10 + 64: 64, 1<<20 + 64: 8, 4<<20 + 64: 8} {
		if got := slotsFor(slot); got != want {
			t.Errorf("%d bytes: %d slots, want %d", slot, got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		target Target
		x      float64
		unit   string
		want   string
	}{
		{AtMost(4), 3.5, "ns", "3.50 ns ✓≤4.00 ns"},
		{AtMost(4), 4, "ns", "4.00 ns ✓≤4.00 ns"},
		{AtMost(4), 4.5, "ns", "4.50 ns ✗≤4.00 ns"},
		{AtLeast(0.5), 0.75, "ratio", "0.750 (0–0) ✓≥0.500"},
		{AtLeast(0.5), 0.5, "ratio", "0.500 (0–0) ✓≥0.500"},
		{AtLeast(0.5), 0.25, "ratio", "0.250 (0–0) ✗≥0.500"},
	} {
		if got := (Figure{Median: c.x, Unit: c.unit, Target: &c.target}).String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
