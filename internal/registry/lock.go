package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"shmbus/internal/linux"
)

// lockPatience is how long Lock waits for another process that holds the lock.
const lockPatience = 5 * time.Second

// A LockedKey is a key file that this process has locked.
type LockedKey struct {
	f    *os.File
	Path string
}

// Lock opens a key file and locks it. With create it makes a file that is missing. It waits for
// another process that is creating or removing the bus. When Lock has the lock, the path still
// names the same file.
func Lock(path string, create bool, mode fs.FileMode) (*LockedKey, error) {
	if create {
		if err := prepareFolder(filepath.Dir(path), mode); err != nil {
			return nil, err
		}
	}
	return lockKeyFileWithin(lockPatience, path, create, mode)
}

// lockKeyFileWithin is Lock for a folder that exists; it waits for the given time.
func lockKeyFileWithin(patience time.Duration, path string, create bool,
	mode fs.FileMode) (*LockedKey, error) {
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
		// A creator that was stopped keeps the lock. So the wait ends with an error after patience.
		for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
			err = linux.TryLock(f)
			if err != syscall.EINTR && err != syscall.EWOULDBLOCK || time.Now().After(deadline) {
				break
			}
		}
		if err != nil {
			f.Close()
			if err == syscall.EWOULDBLOCK {
				return nil, fmt.Errorf("another process has been creating or removing the bus "+
					"for %v (it holds a lock on %s): is it stopped?", patience, path)
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		mine, err1 := f.Stat()
		named, err2 := os.Lstat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, named) {
			return &LockedKey{f: f, Path: path}, nil
		}
		f.Close() // the file was removed meanwhile
	}
}

// beingWritten reports whether another process holds the lock of a key file.
func beingWritten(path string) bool {
	f, err := openKeyFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return linux.TryShare(f) == syscall.EWOULDBLOCK
}

// read returns the contents of the file. ok is false if the file is new, and empty.
func (l *LockedKey) read() (k KeyFile, ok bool, err error) {
	st, err := l.f.Stat()
	if err != nil || st.Size() == 0 {
		return KeyFile{}, false, err
	}
	k, err = parseKeyFile(io.NewSectionReader(l.f, 0, 4096), l.Path)
	return k, err == nil, err
}

// Write replaces the contents of the file by a single write of a fixed length. So readers never
// find partial contents, however this process ends.
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
