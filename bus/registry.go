package bus

import (
	"time"

	"shmbus/internal/registry"
)

// Dirs returns the folders that are searched for key files, in this order. New buses are made in
// the first one. That is $SHMBUS_DIR if it is set, otherwise /run/shmbus for root. For other users
// it is $XDG_RUNTIME_DIR/shmbus, or /run/user/UID/shmbus if /run/user/UID exists (for cron jobs and
// services, which do not have the variable), or /tmp/shmbus-UID.
func Dirs() []string { return registry.Dirs() }

// CheckName reports what is wrong with the name of a bus: 1 to 63 letters, digits, dots, dashes and
// underscores, the first a letter or a digit.
func CheckName(name string) error { return registry.ValidName(name) }

// Remove destroys the bus for every client. Calls that wait on it return [ErrRemoved]; other
// clients notice at their next look. Remove also clears the remains of a bus that was damaged or
// partly removed.
func Remove(name string, opts ...Option) error {
	c := newConfig(opts)
	if err := CheckName(name); err != nil {
		return &OpError{Op: "remove", Bus: name, Err: err}
	}
	if err := registry.Remove(c.dirs, name); err != nil {
		return &OpError{Op: "remove", Bus: name, Err: explain(err)}
	}
	return nil
}

// Restore writes the key file of a bus again after it was lost, for example to a cleaner of /tmp.
// The bus is the segment with the given identifier; the key file goes to the folder where buses are
// made. Only root, the owner of the bus and its creator may do this, because other users' key files
// are not trusted. Clients of the bus that wait do the same by themselves; if one has done so, the
// error is [ErrExists].
func Restore(name string, shmid int, opts ...Option) error {
	c := newConfig(opts)
	err := CheckName(name)
	if err == nil {
		err = registry.Restore(c.dirs[0], name, shmid)
	}
	if err != nil {
		return &OpError{Op: "restore", Bus: name, Err: err}
	}
	return nil
}

// An Entry is a bus in a listing, as its key file describes it.
type Entry struct {
	Name  string `json:"name"`
	Path  string `json:"path"` // of the key file
	Key   int32  `json:"key"`
	ShmID int    `json:"shm_id"`
	SemID int    `json:"sem_id"`
	UUID  string `json:"uuid"`
	UID   int    `json:"uid"` // owner of the segment; -1 where there is none
	GID   int    `json:"gid"`
	Mode  Mode   `json:"mode"` // permission bits of the segment
	// "live", "incomplete", "stale", "foreign", "denied" or "elsewhere" (in another IPC namespace)
	State string `json:"state"`
	Err   error  `json:"-"` // why it is not live
}

// List returns the buses whose key files are in [Dirs], or in the folder of [WithDir], sorted by
// name. Buses of one name are in the order of their folders: [Open] takes the first. If a folder
// cannot be read, List returns the buses of the others together with the error.
func List(opts ...Option) ([]Entry, error) {
	entries, err := registry.List(newConfig(opts).dirs)
	var out []Entry
	for _, e := range entries {
		out = append(out, Entry{Name: e.Name, Path: e.Path,
			Key: e.Key, ShmID: e.ShmID, SemID: e.SemID, UUID: e.UUID,
			UID: e.UID, GID: e.GID, Mode: Mode(e.Mode), State: e.State, Err: e.Err})
	}
	return out, err
}

// A LostBus is the segment of a live bus whose key file is not in the folders that were searched:
// the key file was lost, or is in another folder.
type LostBus struct {
	ShmID    int
	Key      int32
	UUID     string
	Created  time.Time
	UID      int    // owner
	Attached int    // mappings
	Pids     []int  // living clients that are visible in this pid namespace
	Path     string // of a key file in another folder that names the segment; "" if none was found
}
