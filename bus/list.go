package bus

import (
	"errors"
	"io/fs"
	"sort"

	"shmbus/sysvshm"
)

// An Info is a bus as its key file describes it.
type Info struct {
	Name  string `json:"name"`
	Path  string `json:"path"` // of the key file
	Key   int32  `json:"key"`
	ShmID int    `json:"shmid"`
	SemID int    `json:"semid"`
	UUID  string `json:"uuid"`
	State string `json:"state"` // "live", "incomplete", "stale", "foreign" or "denied"
	Err   error  `json:"-"`     // why it is not live
}

// List returns the buses whose key files are in [Dirs], or where [WithDir] says, by name, those of one name in the
// order of their folders: the first is the one that [Open] takes. With an error about a folder come the buses of the others.
func List(opts ...Option) ([]Info, error) {
	c := newConfig(opts)
	var out []Info
	var errs []error
	for i := range c.dirs {
		paths, err := keyFiles(c.dirs, i)
		errs = append(errs, err)
		for _, p := range paths {
			out = append(out, describe(p))
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, errors.Join(errs...)
}

func describe(path string) Info {
	info := Info{Name: nameOf(path), Path: path, State: "live"}
	k, err := readKeyFile(path)
	if err != nil {
		info.State, info.Err = "incomplete", err
		if errors.Is(err, fs.ErrPermission) {
			info.State = "denied"
		}
		return info
	}
	info.Key, info.ShmID, info.SemID, info.UUID = k.Key, k.ShmID, k.SemID, k.UUID
	if k.State != keyReady {
		info.State, info.Err = "incomplete", ErrIncomplete
		return info
	}
	var seg *segment
	if err = k.here(path); err == nil {
		seg, err = attachKey(k.Key, sysvshm.ReadOnly)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrRemoved):
		info.State = "stale"
	case errors.Is(err, fs.ErrPermission):
		info.State = "denied"
	case errors.Is(err, ErrIncomplete):
		info.State = "incomplete"
	case err != nil:
		info.State = "foreign"
	case seg.head.UUID.String() != k.UUID:
		info.State, err = "foreign", ErrNotABus
	}
	if seg != nil {
		seg.detach()
	}
	info.Err = err
	return info
}
