package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/linux"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// checkOrphans looks for segments and semaphore sets of buses that no key file names.
func (d *doctor) checkOrphans(known knownBuses) error {
	segments, err := sysvshm.List()
	if err != nil {
		return err
	}
	sets, err := sysvsem.List()
	if err != nil {
		return err
	}
	keys := map[sysvshm.Key]bool{}
	var spokenFor []sysvsem.Key
	for _, st := range segments {
		keys[st.Key] = true
		if known.names(st) {
			continue
		}
		h, err := peek(st)
		if err == nil || errors.Is(err, layout.ErrIncomplete) || errors.Is(err, layout.ErrVersion) {
			spokenFor = append(spokenFor, st.Key)
			d.orphanedSegment(st, h, err, known)
		}
	}
	for _, i := range known.all {
		spokenFor = append(spokenFor, i.Key) // the check of the key file has reported any problem
	}
	for _, st := range sets {
		if st.Key != sysvsem.Private && !keys[st.Key] && !slices.Contains(spokenFor, st.Key) {
			d.checkSet(st, known)
		}
	}
	return nil
}

// names reports whether a key file names the segment. The key file of an incomplete bus has the
// System V key only.
func (k knownBuses) names(st sysvshm.Stat) bool {
	return slices.ContainsFunc(k.all, func(i bus.Entry) bool {
		return i.Key != sysvshm.Private && i.Key == st.Key && (i.ShmID == st.ID || i.State == "incomplete")
	})
}

// peek reads the header of a segment.
func peek(st sysvshm.Stat) (h layout.Header, err error) {
	// With forced removal, attaching to an unused segment and detaching would destroy it.
	if st.Size < layout.HeaderSize || st.Attached == 0 && sysvshm.ForcedRemoval() {
		return h, layout.ErrNotABus
	}
	m, err := sysvshm.FromID(st.ID).Attach(sysvshm.ReadOnly)
	if err != nil {
		return h, err
	}
	defer m.Detach()
	// A segment of huge pages faults at the first access if no huge page is left.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("segment %d cannot be read: %v", st.ID, r)
		}
	}()
	h, _, err = layout.DecodeHeader(m.Bytes(), len(m.Bytes()))
	return h, err
}

func (d *doctor) orphanedSegment(st sysvshm.Stat, h layout.Header, defect error, known knownBuses) {
	f := finding{
		Check: "orphaned-segment", Severity: problem, Bus: h.Name,
		Text: fmt.Sprintf("segment %d (key %s, %s) is a bus's", st.ID, key(st.Key), cli.Bytes(uint64(st.Size))),
	}
	if h.Name != "" {
		f.Text = fmt.Sprintf("segment %d (key %s, %s) is that of a bus %q", st.ID, key(st.Key), cli.Bytes(uint64(st.Size)), h.Name)
	}
	if defect != nil {
		f.Text += " (" + cli.Line(defect) + ")"
	}
	switch {
	case st.Destroy:
		f.Severity, f.Check = info, "removed-segment"
		f.Text += fmt.Sprintf(" that was removed, and goes when the last of %d mappings does", st.Attached)
	case st.Attached > 0:
		f.Severity = info
		f.Text += fmt.Sprintf(" that no key file in %s names, but %d mappings use it", strings.Join(known.dirs, ", "), st.Attached)
		f.Advice = "if it belongs to another SHMBUS_DIR, nothing; "
		if defect == nil {
			f.Advice += "if its key file was lost, busd restore " + h.Name + "; "
		}
		f.Advice += "otherwise end its clients (ipcs -m -p), then busd doctor --fix --orphans"
	case d.uid != 0 && st.UID != d.uid:
		f.Severity = info
		f.Text += fmt.Sprintf(" of user %d that no key file in %s names", st.UID, strings.Join(known.dirs, ", "))
		f.Advice = "run busd doctor as that user"
	default:
		f.Text += fmt.Sprintf(" that no key file in %s names and nobody uses", strings.Join(known.dirs, ", "))
		f.Advice = "if its key file is in another folder (SHMBUS_DIR), the bus is in order: name the folder with --dir; " +
			"if the key file is lost and nobody needs the messages any more, busd doctor --fix --orphans removes this and all other orphans"
		if d.orphans {
			f.fix = func() error { return removeOrphan(st, h) }
		}
	}
	d.add(f)
}

// removeOrphan removes a segment and its set, unless a process has attached it meanwhile.
func removeOrphan(st sysvshm.Stat, h layout.Header) error {
	now, err := sysvshm.FromID(st.ID).Stat()
	if err != nil || now.Attached > 0 {
		return errors.Join(err, errors.New("it is in use by now"))
	}
	if err := sysvshm.FromID(st.ID).Remove(); err != nil {
		return err
	}
	// The kernel reuses identifiers. Segment and set share the key, so the key says whether it is
	// the set.
	set := sysvsem.FromID(int(h.SemID))
	if s, err := set.Stat(); err == nil && s.Key == st.Key && s.Key != sysvsem.Private {
		return set.Remove()
	}
	return nil
}

// checkSet examines a set without a segment. A set has no magic number; its size, its key and its
// values together say whether it belongs to a bus.
func (d *doctor) checkSet(st sysvsem.Stat, known knownBuses) {
	if st.NSems < 5 || st.NSems%2 == 0 || !keyOfDirs(st.Key, known.dirs) {
		return
	}
	set := sysvsem.FromID(st.ID)
	values, err := set.GetAll()
	if err != nil || len(values) != st.NSems {
		return
	}
	live := 0
	for c := range (len(values) - 1) / 2 {
		switch values[layout.SemLive(c)] {
		case 0:
		case layout.LiveJoined, layout.LiveJoining:
			live++
		default:
			return // not the set of a bus
		}
	}
	f := finding{
		Check: "orphaned-semaphores", Severity: problem,
		Text: fmt.Sprintf("semaphore set %d (key %s, %d semaphores) looks like that of a bus whose segment is gone", st.ID, key(st.Key), st.NSems),
	}
	users := lastUsers(set, st.NSems)
	switch {
	case live > 0 || users > 0:
		f.Severity = warning
		f.Text += fmt.Sprintf("; %s by living processes", cli.Plural(max(live, users), "semaphore")+" held or used")
		f.Advice = fmt.Sprintf("end them, then busd doctor --fix --orphans; see ipcs -s -i %d", st.ID)
	case d.uid != 0 && st.UID != d.uid:
		f.Severity = info
		f.Advice = fmt.Sprintf("run busd doctor as user %d", st.UID)
	default:
		f.Advice, f.Command = "unless another program made it, remove it (busd doctor --fix --orphans does, and all other orphans)", fmt.Sprintf("ipcrm -s %d", st.ID)
		if d.orphans {
			f.fix = set.Remove
		}
	}
	d.add(f)
}

// keyOfDirs reports whether ftok can have made the key from a file in one of the folders: the key
// contains eight bits of the device number.
func keyOfDirs(k sysvsem.Key, dirs []string) bool {
	for _, dir := range dirs {
		st, err := os.Stat(dir)
		if err == nil && uint8(linux.Device(st)) == uint8(k>>16) {
			return true
		}
	}
	return false
}

// lastUsers counts the semaphores whose last user lives or on which a process waits.
func lastUsers(set *sysvsem.Set, n int) int {
	used := 0
	for i := range n {
		pid, _ := set.GetPid(i)
		waiting, _ := set.GetNCnt(i)
		zero, _ := set.GetZCnt(i)
		if waiting+zero > 0 || pid > 0 && pid != os.Getpid() && linux.Alive(pid) {
			used++
		}
	}
	return used
}
