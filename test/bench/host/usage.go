package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what a process has of the machine, and what it has used of it since it began.
type Usage struct {
	Role                     string
	Resident                 int64 // bytes in memory: those of its own, of files such as its program, and of shared memory
	Own, File, Shared        int64
	MinorFaults, MajorFaults int64
	CPU                      time.Duration
}

// Usage returns the usage of each worker, in the order of the results of a run. A worker that says
// pid= after a run stands for that process.
func (s *Session) Usage() ([]Usage, error) {
	all := make([]Usage, len(s.workers))
	for i, p := range s.workers {
		pid := p.PID()
		if p.standsFor > 0 {
			pid = p.standsFor
		}
		var err error
		if all[i], err = usageOf(pid); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		all[i].Role = p.role
	}
	return all, nil
}

func usageOf(pid int) (u Usage, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		key, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &u.Resident, "RssAnon": &u.Own, "RssFile": &u.File, "RssShmem": &u.Shared}[key]
		if into == nil {
			continue
		}
		if _, err := fmt.Sscanf(rest, "%d kB", into); err != nil {
			return u, fmt.Errorf("/proc/%d/status: %q: %w", pid, line, err)
		}
		*into <<= 10
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// Behind the name, which may hold anything: state is field 3, minor faults are 10, major ones
	// 12.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 10 {
		return u, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var e1, e2, e3 error
	u.MinorFaults, e1 = strconv.ParseInt(fields[7], 10, 64)
	u.MajorFaults, e2 = strconv.ParseInt(fields[9], 10, 64)
	u.CPU, e3 = cpuOf(pid)
	return u, errors.Join(e1, e2, e3)
}

// cpuOf returns the processor time that a process has used, all its threads together.
func cpuOf(pid int) (time.Duration, error) {
	const all = 2 // CPUCLOCK_SCHED of the whole process: see clock_getcpuclockid(3)
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|all), &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}
