package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/sysvsem"
)

// A keyStamp identifies the state of a key file whose contents were read.
type keyStamp struct {
	inode uint64
	mtime time.Time
}

// Present returns a function that reports whether the bus is still there. If folder is not nil,
// each call also keeps the folder of the key file from cleaners.
func Present(s *segment.Segment, folder *FolderLock) func() bool {
	var key keyStamp
	return func() bool {
		if !stillThere(s, &key) {
			return false
		}
		if folder != nil {
			folder.Hold(filepath.Dir(s.Path))
		}
		return true
	}
}

// stillThere reports whether segment and set exist, and the key file does not name another bus. If
// the key file is missing, the bus is still there, and the key file is written again if this
// process may do so. A key file is ignored if its author cannot vouch for the bus, or if it was
// written in another IPC namespace.
func stillThere(s *segment.Segment, last *keyStamp) bool {
	shm, err := s.Shm.Stat()
	if err == nil && shm.Destroy {
		return false
	}
	if _, gone := s.Set.Stat(); errors.Is(gone, sysvsem.ErrRemoved) {
		return false
	}
	if s.Path == "" || err != nil {
		return true
	}
	st, err := os.Lstat(s.Path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && st.Size() == 0 {
		RestoreKeyFile(s, shm)
	}
	if err != nil {
		return true
	}
	stamp := keyStamp{inode: linux.Inode(st), mtime: st.ModTime()}
	if stamp == *last {
		return true
	}
	f, err := openKeyFile(s.Path, os.O_RDONLY, 0)
	if err != nil {
		return true
	}
	defer f.Close()
	written, err := f.Stat() // of the open file: the path may name another one by now
	if err != nil {
		return true
	}
	k, err := parseKeyFile(f, s.Path)
	if err != nil || k.State != Ready {
		return true // the file is being written, or says nothing
	}
	*last = stamp
	return !vouches(ownerOf(written), shm.UID, shm.CUID) || k.here(s.Path) != nil ||
		k.UUID == s.Identity.UUID.String()
}
