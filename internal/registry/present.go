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

// A keyStamp is what the key file looked like when its contents were read last.
type keyStamp struct {
	inode uint64
	mtime time.Time
}

// Present returns a function that reports whether the bus is still there. With a folder it keeps that from cleaners, too.
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

// stillThere reports whether the bus is the one that its key file names, and is not about to go. A key file that is
// missing says nothing: those who know the bus can go on, and who may writes it again. Nor does one that a stranger wrote, or somebody in another IPC namespace.
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
	written, err := f.Stat() // of the very file that is read
	if err != nil {
		return true
	}
	k, err := parseKeyFile(f, s.Path)
	if err != nil || k.State != Ready {
		return true // being written, or nobody's
	}
	*last = stamp
	return !vouches(ownerOf(written), shm.UID, shm.CUID) || k.here(s.Path) != nil || k.UUID == s.Identity.UUID.String()
}
