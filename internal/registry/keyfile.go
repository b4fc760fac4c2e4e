package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"syscall"
	"time"

	"shmbus/internal/linux"
	"shmbus/layout"
)

// ValidName reports what is wrong with the name of a bus: 1 to 63 letters, digits, dots, dashes and
// underscores, the first a letter or a digit.
func ValidName(name string) error {
	ok := name != "" && len(name) < layout.NameSize
	for i := 0; i < len(name) && ok; i++ {
		c := name[i]
		alnum := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		ok = alnum || i > 0 && (c == '.' || c == '-' || c == '_')
	}
	if !ok {
		return fmt.Errorf("%w %q: use 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit", ErrName, name)
	}
	return nil
}

const (
	KeySuffix   = ".shmbus"
	keyFileSize = 256 // bytes
)

// A KeyFile maps a bus's name to its System V objects. It is a small JSON file, written and
// replaced only under an exclusive flock on it, which the kernel releases if its holder dies.
type KeyFile struct {
	Version int    `json:"shmbus"`
	State   string `json:"state"` // keyCreating, keyReady
	UUID    string `json:"uuid"`
	Key     int32  `json:"key"`
	ShmID   int    `json:"shmid"`
	SemID   int    `json:"semid"`
	IPC     uint64 `json:"ipc"` // number of the IPC namespace, 0 if it is not known
	PID     int    `json:"pid"` // of the creator, in its own pid namespace
	Sems    int    `json:"sems"`
}

const (
	Creating = "creating"
	Ready    = "ready"
)

func KeyPath(dir, name string) string { return filepath.Join(dir, name+KeySuffix) }

// findKeyFile returns the path of the bus's key file, or a *NotFoundError.
func findKeyFile(dirs []string, name string) (string, error) {
	var denied error
	for i, d := range dirs {
		if err := trusted(d); err != nil {
			if i == 0 { // see keyFiles
				denied = err
			}
			continue
		}
		path := KeyPath(d, name)
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if err := explainFolder(d, err); !errors.Is(err, fs.ErrNotExist) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", notFound(dirs, name)
}

func knownNames(dirs []string) []string {
	var names []string
	for i := range dirs {
		paths, _ := keyFiles(dirs, i)
		for _, p := range paths {
			names = append(names, nameOf(p))
		}
	}
	sort.Strings(names)
	return slices.Compact(names)
}

func ReadKeyFile(path string) (KeyFile, error) {
	f, err := openKeyFile(path, os.O_RDONLY, 0)
	if err != nil {
		return KeyFile{}, err
	}
	defer f.Close()
	return parseKeyFile(f, path)
}

func parseKeyFile(r io.Reader, path string) (KeyFile, error) {
	b, err := io.ReadAll(io.LimitReader(r, 4096))
	if err != nil {
		return KeyFile{}, err
	}
	var k KeyFile
	if len(b) == 0 {
		return k, nil // made, and not written yet
	}
	if err := json.Unmarshal(b, &k); err != nil || k.Version != 1 {
		return KeyFile{}, fmt.Errorf("%s is not a key file of this version (%d bytes): remove it, or use another name or SHMBUS_DIR", path, len(b))
	}
	return k, nil
}

// lockPatience is how long creating or removing waits for somebody who does the same.
const lockPatience = 5 * time.Second

// A LockedKey is a key file that this process has locked.
type LockedKey struct {
	f    *os.File
	Path string
}

// Lock opens the key file, made if it is missing, and locks it. It waits for whoever creates or removes the
// bus just now, and returns with a file that is still the one under that name.
func Lock(path string, create bool, mode fs.FileMode) (*LockedKey, error) {
	if create {
		if err := prepareFolder(filepath.Dir(path), mode); err != nil {
			return nil, err
		}
	}
	return lockKeyFileWithin(lockPatience, path, create, mode)
}

// lockKeyFileWithin is lockKeyFile in a folder that is there, for who waits no longer than that.
func lockKeyFileWithin(patience time.Duration, path string, create bool, mode fs.FileMode) (*LockedKey, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	if err := trusted(filepath.Dir(path)); err != nil {
		return nil, err
	}
	for {
		f, err := openKeyFile(path, flags, mode)
		if err != nil {
			return nil, explainFile(err)
		}
		// A creator that was stopped holds the lock: say so rather than wait for it.
		for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
			err = linux.TryLock(f)
			if err != syscall.EINTR && err != syscall.EWOULDBLOCK || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			f.Close()
			if err == syscall.EWOULDBLOCK {
				return nil, fmt.Errorf("another process has been creating or removing the bus for %v (it holds a lock on %s): is it stopped?", patience, path)
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		mine, err1 := f.Stat()
		named, err2 := os.Lstat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, named) {
			return &LockedKey{f: f, Path: path}, nil
		}
		f.Close() // removed while we waited
	}
}

// beingWritten reports whether somebody holds the lock of a key file, to create or remove its bus.
func beingWritten(path string) bool {
	f, err := openKeyFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return linux.TryShare(f) == syscall.EWOULDBLOCK
}

// read returns what the file says; ok is false for a new, empty file.
func (l *LockedKey) read() (k KeyFile, ok bool, err error) {
	st, err := l.f.Stat()
	if err != nil || st.Size() == 0 {
		return KeyFile{}, false, err
	}
	k, err = parseKeyFile(io.NewSectionReader(l.f, 0, 4096), l.Path)
	return k, err == nil, err
}

// Write replaces what the file says with one write of always the same length, so that nobody, however this process
// ends, finds a part of it.
func (l *LockedKey) Write(k KeyFile) error {
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(io.NewOffsetWriter(l.f, 0), "%-*s\n", keyFileSize-1, b)
	return explainFile(err)
}

func (l *LockedKey) unlink() error { return os.Remove(l.Path) }

// Close releases the lock.
func (l *LockedKey) Close() { l.f.Close() }

func nameOf(path string) string {
	base := filepath.Base(path)
	return base[:max(0, len(base)-len(KeySuffix))]
}
