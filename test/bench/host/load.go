package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Load is what a machine does beside what is measured on it.
type Load struct {
	Average float64 `json:"average"` // threads that ran or wanted to, over the last minute
	Running int     `json:"running"` // threads that run or want to, this one left out
	Busy    float64 `json:"busy"`    // percent of the processors' time that somebody used
	Steal   float64 `json:"steal"`   // percent of it that the hypervisor gave to others
	Quiet   bool    `json:"quiet"`
}

// Above these percentages of Busy and Steal a machine is not quiet.
const (
	quietBusy  = 5
	quietSteal = 1
)

// FindLoad looks for the given time at what the machine does, and does nothing meanwhile.
func FindLoad(ctx context.Context, d time.Duration) (Load, error) {
	before, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Load{}, err
	}
	select {
	case <-ctx.Done():
		return Load{}, context.Cause(ctx)
	case <-time.After(d):
	}
	after, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Load{}, err
	}
	average, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Load{}, err
	}
	return loadOf(string(before), string(after), string(average))
}

// loadOf reads /proc/stat, twice, and /proc/loadavg: see proc_stat(5) and proc_loadavg(5).
func loadOf(before, after, average string) (l Load, err error) {
	from, err := ticksOf(before)
	if err != nil {
		return l, err
	}
	to, err := ticksOf(after)
	if err != nil {
		return l, err
	}
	total, idle, steal := to.total-from.total, to.idle-from.idle, to.steal-from.steal
	if total > 0 {
		l.Busy = 100 * float64(total-idle-steal) / float64(total)
		l.Steal = 100 * float64(steal) / float64(total)
	}
	running, threads := 0, 0
	if _, err := fmt.Sscanf(average, "%f %f %f %d/%d", &l.Average, new(float64), new(float64), &running, &threads); err != nil {
		return l, fmt.Errorf("/proc/loadavg: %q: %w", average, err)
	}
	l.Running = max(running-1, 0)
	l.Quiet = l.Busy <= quietBusy && l.Steal <= quietSteal
	return l, nil
}

// ticks are what all processors together did since the machine began.
type ticks struct{ total, idle, steal int64 }

func ticksOf(stat string) (t ticks, err error) {
	const idle, wait, steal, guest = 3, 4, 7, 8 // user nice system idle iowait irq softirq steal guest guest_nice
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) <= steal+1 || fields[0] != "cpu" {
		return t, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var errs []error
	for i, f := range fields[1:] {
		n, err := strconv.ParseInt(f, 10, 64)
		errs = append(errs, err)
		switch i {
		case idle, wait:
			t.idle += n
		case steal:
			t.steal = n
		}
		if i < guest { // what guests use is in user and nice, too
			t.total += n
		}
	}
	return t, errors.Join(errs...)
}

func (l Load) String() string {
	return fmt.Sprintf("%.0f %% of the processors' time used, %.1f %% stolen by the hypervisor, %d threads running, load average %.2f",
		l.Busy, l.Steal, l.Running, l.Average)
}

// Warning says what is wrong with a load, if anything is.
func (l Load) Warning() string {
	if l.Quiet {
		return ""
	}
	return "WARNING: the machine is not quiet. Figures are lower and ratios vary more than on one that is; end what else runs, and measure again."
}
