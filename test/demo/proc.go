//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
)

// Stamp begins every sample: it lets a subscriber check that it sees all samples of a process, in
// order.
type Stamp struct {
	Seq uint64 `msgpack:"seq"` // from 1, by topic and process
	Pid int    `msgpack:"pid"`
}

func (s *Stamp) stamp(seq uint64, pid int) { s.Seq, s.Pid = seq, pid }

// A sample is what is published: a struct that begins with a Stamp.
type sample interface{ stamp(seq uint64, pid int) }

type cpuSample struct {
	Stamp                                                 `msgpack:",inline"`
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal uint64 // jiffies
}

type schedSample struct {
	Stamp                                                   `msgpack:",inline"`
	Switches, Interrupts, SoftIRQs, Forks, Running, Blocked uint64
}

type loadSample struct {
	Stamp                      `msgpack:",inline"`
	One, Five, Fifteen         float64
	Running, Processes, Newest uint64
}

type memSample struct {
	Stamp                                                `msgpack:",inline"`
	Total, Free, Available, Buffers, Cached, Dirty, Slab uint64 // kB
}

type vmSample struct {
	Stamp                                          `msgpack:",inline"`
	Faults, MajorFaults, Freed, Activated, In, Out uint64
}

type netSample struct {
	Stamp                                                      `msgpack:",inline"`
	RxBytes, RxPackets, RxErrors, TxBytes, TxPackets, TxErrors uint64
}

type diskSample struct {
	Stamp                                                              `msgpack:",inline"`
	Reads, SectorsRead, Writes, SectorsWritten, InFlight, Milliseconds uint64
}

type irqSample struct {
	Stamp  `msgpack:",inline"`
	PerCPU []uint64
}

type selfSample struct {
	Stamp                                                  `msgpack:",inline"`
	MinorFaults, MajorFaults, User, System, Threads, Pages uint64
}

// A source samples a part of /proc. Each source is a process of its own.
type source struct {
	name   string
	rate   int // samples a second
	sample func(files *procFiles, emit func(topic string, s sample) error) error
}

// maxOf bounds how many CPUs, interfaces and disks have a topic.
const (
	maxCPUs  = 8
	maxLinks = 3
	maxDisks = 2
)

// cpuRate keeps the messages a second the same on small and large machines.
func cpuRate() int { return 2000 / max(min(runtime.NumCPU(), maxCPUs), 2) }

func sources() []source {
	return []source{
		{"cpu", cpuRate(), sampleCPU},
		{"sched", 500, sampleSched},
		{"mem", 500, sampleMem},
		{"net", 400, sampleNet},
		{"disk", 200, sampleDisk},
		{"self", 500, sampleSelf},
	}
}

func sourceNamed(name string) (source, bool) {
	for _, s := range sources() {
		if s.name == name {
			return s, true
		}
	}
	return source{}, false
}

func sampleCPU(f *procFiles, emit func(string, sample) error) error {
	return f.lines("/proc/stat", func(line *fields) error {
		n, ok := bytes.CutPrefix(line.word(), []byte("cpu"))
		if !ok || len(n) == 0 || atoi(n) >= maxCPUs {
			return nil
		}
		s := cpuSample{
			User: line.num(), Nice: line.num(), System: line.num(), Idle: line.num(),
			IOWait: line.num(), IRQ: line.num(), SoftIRQ: line.num(), Steal: line.num(),
		}
		return emit("host.cpu."+string(n), &s)
	})
}

func sampleSched(f *procFiles, emit func(string, sample) error) error {
	var s schedSample
	into := map[string]*uint64{
		"ctxt": &s.Switches, "intr": &s.Interrupts, "softirq": &s.SoftIRQs, "processes": &s.Forks,
		"procs_running": &s.Running, "procs_blocked": &s.Blocked,
	}
	err := f.lines("/proc/stat", func(line *fields) error {
		if v := into[string(line.word())]; v != nil {
			*v = line.num()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := emit("host.sched", &s); err != nil {
		return err
	}
	return f.lines("/proc/loadavg", func(line *fields) error {
		l := loadSample{One: line.float(), Five: line.float(), Fifteen: line.float()}
		running, total, _ := bytes.Cut(line.word(), []byte("/"))
		l.Running, l.Processes, l.Newest = atoi(running), atoi(total), line.num()
		return emit("host.load", &l)
	})
}

func sampleMem(f *procFiles, emit func(string, sample) error) error {
	var m memSample
	into := map[string]*uint64{
		"MemTotal:": &m.Total, "MemFree:": &m.Free, "MemAvailable:": &m.Available, "Buffers:": &m.Buffers,
		"Cached:": &m.Cached, "Dirty:": &m.Dirty, "Slab:": &m.Slab,
	}
	if err := f.keyed("/proc/meminfo", into); err != nil {
		return err
	}
	if err := emit("host.mem", &m); err != nil {
		return err
	}
	var v vmSample
	into = map[string]*uint64{
		"pgfault": &v.Faults, "pgmajfault": &v.MajorFaults, "pgfree": &v.Freed, "pgactivate": &v.Activated,
		"pgpgin": &v.In, "pgpgout": &v.Out,
	}
	if err := f.keyed("/proc/vmstat", into); err != nil {
		return err
	}
	return emit("host.vm", &v)
}

func sampleNet(f *procFiles, emit func(string, sample) error) error {
	links := 0
	return f.lines("/proc/net/dev", func(line *fields) error {
		name, rest, ok := bytes.Cut(line.rest, []byte(":"))
		if !ok || links == maxLinks {
			return nil
		}
		links++
		line.rest = rest
		var v [11]uint64
		for i := range v {
			v[i] = line.num()
		}
		s := netSample{RxBytes: v[0], RxPackets: v[1], RxErrors: v[2], TxBytes: v[8], TxPackets: v[9], TxErrors: v[10]}
		return emit("host.net."+word(name), &s)
	})
}

func sampleDisk(f *procFiles, emit func(string, sample) error) error {
	disks := 0
	err := f.lines("/proc/diskstats", func(line *fields) error {
		line.word()
		minor, name := line.num(), line.word()
		idle := bytes.HasPrefix(name, []byte("loop")) || bytes.HasPrefix(name, []byte("ram"))
		if minor != 0 || idle || disks == maxDisks {
			return nil
		}
		disks++
		var v [10]uint64
		for i := range v {
			v[i] = line.num()
		}
		s := diskSample{Reads: v[0], SectorsRead: v[2], Writes: v[4], SectorsWritten: v[6], InFlight: v[8], Milliseconds: v[9]}
		return emit("host.disk."+word(name), &s)
	})
	if err != nil {
		return err
	}
	var s irqSample
	err = f.lines("/proc/interrupts", func(line *fields) error {
		if s.PerCPU == nil {
			s.PerCPU = make([]uint64, min(len(bytes.Fields(line.rest)), maxCPUs))
			return nil
		}
		line.word()
		for i := range s.PerCPU {
			s.PerCPU[i] += line.num()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return emit("host.irq", &s)
}

func sampleSelf(f *procFiles, emit func(string, sample) error) error {
	return f.lines("/proc/self/stat", func(line *fields) error {
		// The name, in parentheses, may contain anything.
		if i := bytes.LastIndexByte(line.rest, ')'); i >= 0 {
			line.rest = line.rest[i+1:]
		}
		var v [22]uint64
		for i := range v {
			v[i] = line.num()
		}
		return emit("host.self", &selfSample{MinorFaults: v[7], MajorFaults: v[9], User: v[11], System: v[12], Threads: v[17], Pages: v[21]})
	})
}

// word makes one word of a topic of a name.
func word(name []byte) string {
	return string(bytes.Map(func(r rune) rune {
		if r == '.' || r == '*' || r == '>' || r <= ' ' {
			return '-'
		}
		return r
	}, bytes.TrimSpace(name)))
}

// procFiles keeps files of /proc open, each of which is made anew when it is read from its
// beginning.
type procFiles struct {
	open map[string]*os.File
	buf  []byte
}

func newProcFiles() *procFiles {
	return &procFiles{open: map[string]*os.File{}, buf: make([]byte, 64<<10)}
}

// lines calls each for the lines of a file. A file that there is not has none.
func (p *procFiles) lines(path string, each func(*fields) error) error {
	f, ok := p.open[path]
	if !ok {
		f, _ = os.Open(path)
		p.open[path] = f
	}
	if f == nil {
		return nil
	}
	n, err := f.ReadAt(p.buf, 0)
	switch {
	case err == nil: // the file does not fit
		p.buf = make([]byte, 2*len(p.buf))
		return p.lines(path, each)
	case !errors.Is(err, io.EOF):
		return err
	}
	for line := range bytes.Lines(p.buf[:n]) {
		if err := each(&fields{line}); err != nil {
			return err
		}
	}
	return nil
}

// keyed reads the numbers of lines that begin with a key.
func (p *procFiles) keyed(path string, into map[string]*uint64) error {
	return p.lines(path, func(line *fields) error {
		if v := into[string(line.word())]; v != nil {
			*v = line.num()
		}
		return nil
	})
}

// fields takes a line apart.
type fields struct{ rest []byte }

func (f *fields) word() []byte {
	i := 0
	for i < len(f.rest) && f.rest[i] <= ' ' {
		i++
	}
	begin := i
	for i < len(f.rest) && f.rest[i] > ' ' {
		i++
	}
	w := f.rest[begin:i]
	f.rest = f.rest[i:]
	return w
}

func (f *fields) num() uint64 { return atoi(f.word()) }

func (f *fields) float() float64 {
	v, _ := strconv.ParseFloat(string(f.word()), 64)
	return v
}

// atoi reads the digits at the beginning.
func atoi(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + uint64(c-'0')
	}
	return n
}
