package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/linux"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// knownBuses holds what the key files say.
type knownBuses struct {
	live []bus.Entry // of the folders that doctor checks
	all  []bus.Entry // of every folder that may hold key files, to recognise orphans
	dirs []string    // those folders
}

func newDoctorFor(ctx context.Context, dirs []string) *doctor {
	return &doctor{
		ctx: ctx, dirs: dirs, uid: os.Geteuid(),
		semLimits: sysvsem.Limits, semUsage: sysvsem.Usage, shmLimits: sysvshm.Limits, shmUsage: sysvshm.Usage, tryUndo: tryUndo,
	}
}

// checkKeyFiles checks every key file of the folders that doctor checks.
func (d *doctor) checkKeyFiles() (knownBuses, error) {
	var known knownBuses
	mine := append(bus.Dirs(), d.dirs...)
	for _, dir := range d.allDirs(mine) {
		known.dirs = append(known.dirs, dir)
		infos, err := bus.List(bus.WithDir(dir))
		if err != nil && containsDir(mine, dir) {
			d.add(finding{Check: "unreadable", Severity: problem, Text: cli.Line(err)})
		}
		known.all = append(known.all, infos...)
		if !containsDir(mine, dir) {
			continue
		}
		for _, i := range infos {
			if i.State == "live" && i.Err == nil {
				known.live = append(known.live, i)
				continue
			}
			d.checkKeyFile(i)
		}
	}
	return known, nil
}

// allDirs returns the given folders and the default folders of the system and of all users.
func (d *doctor) allDirs(mine []string) []string {
	all := append(mine[:len(mine):len(mine)], d.root+"/run/shmbus")
	for _, pattern := range []string{d.root + "/run/user/*/shmbus", filepath.Join(d.root, os.TempDir(), "shmbus-*")} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			if st, err := os.Stat(path); err == nil && st.IsDir() {
				all = append(all, path)
			}
		}
	}
	var once []string
	for _, dir := range all {
		if !containsDir(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

// containsDir compares folders by identity, not by spelling.
func containsDir(dirs []string, dir string) bool {
	st, err := os.Stat(dir)
	for _, other := range dirs {
		if filepath.Clean(other) == filepath.Clean(dir) {
			return true
		}
		if st2, err2 := os.Stat(other); err == nil && err2 == nil && os.SameFile(st, st2) {
			return true
		}
	}
	return false
}

// checkKeyFile reports what is wrong with a bus that is not live.
func (d *doctor) checkKeyFile(i bus.Entry) {
	in := bus.WithDir(filepath.Dir(i.Path))
	f := finding{Bus: i.Name, Severity: problem, fix: func() error { return bus.Remove(i.Name, in) }}
	attached := 0 // clients that opened the bus before may still use it
	if st, err := sysvshm.FromID(i.ShmID).Stat(); err == nil && st.Key == i.Key {
		attached = st.Attached
	}
	remove := func(arguments ...string) {
		f.Advice, f.Command = "remove it", d.busd(i, "rm", arguments...)
		if uid := ownerOf(i.Path); d.uid != 0 && uid != d.uid {
			f.Advice, f.Command, f.fix = fmt.Sprintf("run busd rm %s as user %d, who owns the key file, or as root", i.Name, uid), "", nil
		}
	}
	switch {
	case i.State == "stale" && errors.Is(i.Err, bus.ErrRemoved):
		f.Check = "half-removed"
		remove()
		f.Text = i.Path + ": the segment exists, but its semaphores are gone"
	case i.State == "stale":
		f.Check = "stale-key-file"
		remove()
		f.Text = fmt.Sprintf("%s exists, but the segment that it names (key %s) is gone", i.Path, key(i.Key))
	case i.State == "incomplete" && locked(i.Path):
		f.Check, f.Severity, f.fix = "incomplete", info, nil
		f.Text = i.Path + ": the bus is being created or removed just now"
	case i.State == "incomplete":
		f.Check = "incomplete"
		remove()
		f.Text = i.Path + ": the creation of the bus was never completed"
		if i.Key == sysvshm.Private {
			f.Text = i.Path + " cannot be parsed"
			f.Advice, f.Command = "if it is not the key file of a bus, give it another name; otherwise delete it", "rm "+quote(i.Path)
			// Never remove a folder: its contents belong to somebody.
			if st, err := os.Lstat(i.Path); err == nil && st.IsDir() {
				f.Advice, f.Command = "a folder is not a key file: give it another name", "mv -n "+quote(i.Path)+" "+quote(i.Path+".folder")
			}
			f.fix = nil
		}
	case errors.Is(i.Err, bus.ErrCorrupt):
		f.Check = "damage"
		remove("--force")
		f.Text = i.Path + ": the header of its segment is damaged, so that nobody can open the bus"
		if attached > 0 {
			f.fix = nil
			f.Text += fmt.Sprintf("; it has %s", cli.Plural(attached, "mapping"))
			f.Advice = "end its clients, then remove it"
		}
	case i.State == "elsewhere":
		f.Check, f.Severity, f.fix = "other-namespace", info, nil
		f.Text = i.Path + " is the key file of a bus in another IPC namespace"
		f.Advice = "look at the bus there; if that namespace is gone for good, as after the end of a container, delete the key file"
	case errors.Is(i.Err, bus.ErrVersion):
		f.Check, f.Severity, f.fix = "other-version", warning, nil
		f.Text = fmt.Sprintf("%s names a bus of another version, which has %s", i.Path, cli.Plural(attached, "mapping"))
		f.Advice = "look at it and remove it with the busd of that version"
		if attached == 0 {
			f.Advice = "if its messages are not needed any more, remove it"
			f.Command = d.busd(i, "rm", "--force")
		}
	case i.State == "denied":
		f.Check, f.Severity, f.fix = "unreadable", info, nil
		f.Text = i.Path + ": you may not look at this bus"
		f.Advice = "run busd doctor as its owner"
	default:
		f.Check = "foreign-key-file"
		remove("--force")
		f.Text = fmt.Sprintf("%s names System V key %s, but that object is not a bus that this program knows", i.Path, key(i.Key))
		if attached > 0 {
			f.fix = nil
			f.Text += fmt.Sprintf(" and which has %s", cli.Plural(attached, "mapping"))
		}
		if other, ok := busBehind(i.Key); ok && other.UUID.String() != i.UUID {
			f.Text = fmt.Sprintf("%s names System V key %s, which bus %q has", i.Path, key(i.Key), other.Name)
			f.Advice, f.Command = "delete this key file, which does not belong to that bus", "rm "+quote(i.Path)
			f.fix = func() error { return unlinkKeyFile(i.Path) }
		}
	}
	if i.Err != nil {
		f.Text += " (" + cli.Line(i.Err) + ")"
	}
	d.add(f)
}

// ownerOf returns the owner of a file, or -1.
func ownerOf(path string) int {
	st, err := os.Stat(path)
	if err != nil {
		return -1
	}
	uid, _ := linux.Owner(st)
	return uid
}

// busBehind returns the header of the bus that has a System V key.
func busBehind(k sysvshm.Key) (layout.Header, bool) {
	s, err := sysvshm.Get(k, 0, 0)
	if err != nil {
		return layout.Header{}, false
	}
	st, err := s.Stat()
	if err != nil {
		return layout.Header{}, false
	}
	h, err := peek(st)
	return h, err == nil
}

// unlinkKeyFile removes only the key file, unless a bus is being made with it.
func unlinkKeyFile(path string) error {
	if locked(path) {
		return fmt.Errorf("%s is being used to create a bus", path)
	}
	return os.Remove(path)
}

// locked reports whether a process holds the lock of a key file, under which buses are created and
// removed.
func locked(path string) bool {
	file, err := linux.OpenNamed(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	return linux.TryShare(file) == syscall.EWOULDBLOCK
}
