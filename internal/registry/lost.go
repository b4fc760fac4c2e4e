package registry

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A LostBus is the segment of a live bus whose key file is not where it was looked for: the key
// file was lost, or is in another folder.
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

// lostBuses returns the live buses of a name for which the folders have no key file. lost are those
// without any key file that could be found; elsewhere are those that a key file in another folder
// names. A key contains the device number of the folder of its key file, so segments whose key has
// another device number are not attached.
func lostBuses(dirs []string, name string) (lost, elsewhere []LostBus) {
	all, _ := sysvshm.List()
	// With forced removal, attaching and detaching a segment that nobody has attached destroys it.
	forced := sysvshm.ForcedRemoval()
	for _, st := range all {
		if st.Key == sysvshm.Private || st.Destroy || forced && st.Attached == 0 ||
			st.Size < layout.HeaderSize || !keyOfDirs(st.Key, dirs) {
			continue
		}
		h, pids, err := peek(st.ID)
		if err != nil || h.Name != name || h.Key != st.Key {
			continue
		}
		l := LostBus{ShmID: st.ID, Key: st.Key, UUID: h.UUID.String(),
			Created: time.Unix(0, h.Created), UID: st.UID, Attached: st.Attached, Pids: pids}
		if l.Path = keyFileElsewhere(dirs, st, h, pids); l.Path != "" {
			elsewhere = append(elsewhere, l)
		} else {
			lost = append(lost, l)
		}
	}
	return lost, elsewhere
}

// keyOfDirs reports whether ftok can have made the key from a file in one of the folders, or in a
// folder of that name that was removed.
func keyOfDirs(key int32, dirs []string) bool {
	for _, dir := range dirs {
		st, err := os.Stat(dir)
		for err != nil && filepath.Dir(dir) != dir {
			dir = filepath.Dir(dir)
			st, err = os.Stat(dir)
		}
		if err == nil && uint8(linux.Device(st)) == uint8(key>>16) {
			return true
		}
	}
	return false
}

// keyFileElsewhere returns the path of a key file of the segment outside the given folders, or "".
// The segment does not say where its key file is, so likely places are searched: the folders that
// the environments of its clients name, the default folders, and the folders beside the given ones.
// A key file counts only if its author can vouch for the segment, because any user can write a key
// file that names it.
func keyFileElsewhere(dirs []string, st sysvshm.Stat, h layout.Header, pids []int) string {
	names := func(dir string) bool {
		path := KeyPath(dir, h.Name)
		if slices.Contains(dirs, filepath.Clean(dir)) {
			return false
		}
		file, err := os.Lstat(path)
		if err != nil || !file.Mode().IsRegular() || !vouches(ownerOf(file), st.UID, st.CUID) {
			return false
		}
		k, err := ReadKeyFile(path)
		return err == nil && k.State == Ready && k.ShmID == st.ID && k.Key == st.Key &&
			k.UUID == h.UUID.String() && k.here(path) == nil
	}
	likely := []string{systemDir, filepath.Join(userRuntimeDirs, strconv.Itoa(st.UID), "shmbus"),
		filepath.Join(os.TempDir(), "shmbus-"+strconv.Itoa(st.UID)),
		filepath.Join("/tmp", "shmbus-"+strconv.Itoa(st.UID))}
	for _, pid := range pids {
		if dir := folderOf(pid); dir != "" {
			likely = append(likely, dir)
		}
	}
	for _, dir := range dirs {
		likely = append(likely, foldersBeside(dir, st.Key)...)
	}
	if i := slices.IndexFunc(likely, names); i >= 0 {
		return KeyPath(likely[i], h.Name)
	}
	return ""
}

// folderOf returns the SHMBUS_DIR with which a process was started, or "" if it had none or if this
// process may not read its environment.
func folderOf(pid int) string {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	environ, _ := os.ReadFile(filepath.Join(proc, "environ"))
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		dir, ok := bytes.CutPrefix(entry, []byte("SHMBUS_DIR="))
		if !ok || len(dir) == 0 {
			continue
		}
		if filepath.IsAbs(string(dir)) {
			return string(dir)
		}
		if wd, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil {
			return filepath.Join(wd, string(dir))
		}
	}
	return ""
}

// maxBeside is the largest number of directory entries that foldersBeside reads.
const maxBeside = 4096

// foldersBeside returns the folders beside dir that are on the device whose number a key contains.
// It opens none of them, so that it triggers no automounter.
func foldersBeside(dir string, key int32) []string {
	above := filepath.Dir(dir)
	f, err := os.Open(above)
	if err != nil {
		return nil
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxBeside)
	var beside []string
	for _, e := range entries {
		path := filepath.Join(above, e.Name())
		if !e.IsDir() || path == dir {
			continue
		}
		if st, err := os.Lstat(path); err == nil && uint8(linux.Device(st)) == uint8(key>>16) {
			beside = append(beside, path)
		}
	}
	return beside
}

// peek returns the header of the segment of a live bus, and the pids of its living clients.
func peek(shmid int) (h layout.Header, pids []int, err error) {
	mapping, err := sysvshm.FromID(shmid).Attach(sysvshm.ReadOnly)
	if err != nil {
		return h, nil, err
	}
	defer mapping.Detach()
	// If no huge page is left for a segment of huge pages, the first access faults.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("segment %d cannot be read: %v", shmid, r)
		}
	}()
	mem := mapping.Bytes()
	h, m, err := layout.DecodeHeader(mem, len(mem))
	if err == nil {
		err = halfRemoved(mem, h)
	}
	if err != nil {
		return h, nil, err
	}
	w, err := segment.NewWords(mem, m)
	if err != nil {
		return h, nil, err
	}
	set := sysvsem.FromID(int(h.SemID))
	live, _ := set.GetAll()
	seg := segment.Segment{Words: w, Set: set, Identity: h}
	for c := range seg.High(layout.HeaderClientHigh, m.Geometry.Clients) {
		if seg.ClientState(c).State() != layout.ClientJoined || !segment.LivesIn(live, c) {
			continue
		}
		// The record has the pid in the client's pid namespace. The kernel gives the pid in the
		// namespace of this process.
		if pid, err := set.GetPid(int(layout.SemLive(c))); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return h, slices.Compact(slices.Sorted(slices.Values(pids))), nil
}
