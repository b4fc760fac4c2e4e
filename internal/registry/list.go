package registry

import (
	"errors"
	"io/fs"
	"slices"
	"sort"
	"time"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// An Entry is what a key file says about a bus, and the state of that bus.
type Entry struct {
	Name  string
	Path  string // of the key file
	Key   int32
	ShmID int
	SemID int
	UUID  string
	UID   int // owner of the segment; -1 where there is none
	GID   int
	Mode  fs.FileMode // permission bits of the segment
	// "live", "incomplete", "stale", "foreign", "denied" or "elsewhere" (in another IPC namespace)
	State string
	Err   error // why it is not live
}

// List returns the buses whose key files are in the folders, sorted by name; buses of the same name
// are in the order of their folders. If a folder cannot be read, List returns the error together
// with the buses of the other folders.
func List(dirs []string) ([]Entry, error) {
	var out []Entry
	var errs []error
	for i := range dirs {
		paths, err := keyFiles(dirs, i)
		errs = append(errs, err)
		for _, p := range paths {
			out = append(out, Describe(p))
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, errors.Join(errs...)
}

func Describe(path string) Entry {
	info, k := describeOnce(path)
	// If the bus is removed and created again meanwhile, the new one looks for a moment like a bus
	// that the key file does not name.
	for tries := 0; tries < 10 && info.State != "live" && k.State == Ready &&
		k.overtaken(path); tries++ {
		time.Sleep(openPause)
		info, k = describeOnce(path)
	}
	return info
}

func describeOnce(path string) (Entry, KeyFile) {
	info := Entry{Name: nameOf(path), Path: path, UID: -1, GID: -1, State: "live"}
	k, err := ReadKeyFile(path)
	if err != nil {
		info.State, info.Err = "incomplete", err
		if errors.Is(err, fs.ErrPermission) {
			info.State = "denied"
		}
		return info, k
	}
	info.Key, info.ShmID, info.SemID, info.UUID = k.Key, k.ShmID, k.SemID, k.UUID
	if k.State != Ready {
		info.State, info.Err = "incomplete", layout.ErrIncomplete
		return info, k
	}
	if err := k.here(path); err != nil {
		info.State, info.Err = "elsewhere", err
		return info, k
	}
	seg, err := OpenKey(k.Key, sysvshm.ReadOnly)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, segment.ErrRemoved):
		info.State = "stale"
	case errors.Is(err, fs.ErrPermission):
		info.State = "denied"
	case errors.Is(err, layout.ErrIncomplete):
		info.State = "incomplete"
	case err != nil:
		info.State = "foreign"
	case seg.Identity.UUID.String() != k.UUID:
		info.State, err = "foreign", layout.ErrNotABus
	}
	if seg != nil {
		seg.Detach()
	}
	info.Err = err
	if st, ok := statOf(k); ok && info.State != "foreign" && info.State != "stale" {
		info.UID, info.GID, info.Mode = st.UID, st.GID, st.Mode
	}
	return info, k
}

// statOf returns the kernel's record of a segment, even if this process may not read the segment.
func statOf(k KeyFile) (sysvshm.Stat, bool) {
	st, err := sysvshm.FromID(k.ShmID).Stat()
	if err != nil {
		all, _ := sysvshm.List()
		i := slices.IndexFunc(all, func(x sysvshm.Stat) bool { return x.ID == k.ShmID })
		if i < 0 {
			return st, false
		}
		st = all[i]
	}
	return st, st.Key == k.Key
}
