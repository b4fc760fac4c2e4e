package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"shmbus/internal/fault"
	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/sysvshm"
)

// Restore writes the lost key file of a bus again, in the given folder.
func Restore(dir, name string, shmid int) error {
	seg, err := segment.Attach(sysvshm.FromID(shmid), sysvshm.ReadOnly)
	if errors.Is(err, segment.ErrRemoved) || errors.Is(err, fs.ErrNotExist) {
		return absent(fmt.Sprintf("there is no bus in segment %d: busd doctor shows those whose key "+
			"file is lost", shmid))
	}
	if err != nil {
		return err
	}
	defer seg.Detach()
	if seg.Identity.Name != name {
		return fmt.Errorf("segment %d belongs to bus %q: restore it with that name",
			shmid, seg.Identity.Name)
	}
	st, err := seg.Shm.Stat()
	if err != nil {
		return err
	}
	if !vouches(os.Geteuid(), st.UID, st.CUID) {
		return fmt.Errorf("%w: the bus belongs to user %d: only that user or root may write its "+
			"key file", fs.ErrPermission, st.UID)
	}
	seg.Path = KeyPath(dir, name)
	if err := prepareFolder(dir, st.Mode); err != nil {
		return err
	}
	return WriteKeyFile(seg, st)
}

// RestoreKeyFile writes a key file again that is missing, or empty as a killed creator leaves it,
// if this process can vouch for the bus. It waits for no lock: the next check tries again. It makes
// only a default folder again: any other folder may exist and only be invisible to this process.
func RestoreKeyFile(s *segment.Segment, st sysvshm.Stat) bool {
	dir := filepath.Dir(s.Path)
	if s.ReadOnly() || !vouches(os.Geteuid(), st.UID, st.CUID) {
		return false
	}
	if _, err := os.Stat(dir); err != nil && (dir != systemDir && !isOwnDir(dir) ||
		prepareFolder(dir, st.Mode) != nil) {
		return false
	}
	return WriteKeyFile(s, st) == nil
}

// WriteKeyFile writes the key file of a bus that has none, unless the bus is being removed. While
// it holds the lock, nobody creates or removes the bus. The error is ErrExists if the file says
// something already, or belongs to a user who cannot vouch for the bus.
func WriteKeyFile(s *segment.Segment, st sysvshm.Stat) error {
	lock, err := lockKeyFileWithin(0, s.Path, true, st.Mode)
	if err != nil {
		return err
	}
	defer lock.Close()
	fault.At(fault.RestoreLocked)
	file, err := lock.f.Stat()
	if err != nil {
		return err
	}
	if author := ownerOf(file); file.Size() != 0 || author != os.Geteuid() && !vouches(author,
		st.UID, st.CUID) {
		return ErrExists
	}
	now, err := s.Shm.Stat()
	if err == nil {
		_, err = s.Set.Stat()
	}
	if err != nil || now.Destroy || s.Removed() {
		lock.unlink()
		return errors.Join(segment.ErrRemoved, err)
	}
	// The file gets the mode and owner that it has after a creation. If this process cannot give it
	// to the group, users who can read it only as members of the group still do not find the bus.
	if err := lock.f.Chmod(st.Mode &^ keyFileWrite); err != nil {
		return err
	}
	uid := -1
	if os.Geteuid() == 0 {
		uid = st.UID
	}
	_ = lock.f.Chown(uid, st.GID)
	k := KeyFile{Version: 1, State: Ready, UUID: s.Identity.UUID.String(), Key: s.Identity.Key,
		ShmID: s.Shm.ID(), SemID: s.Set.ID(),
		IPC: IPCNamespace(), PID: int(s.Identity.Creator), Sems: s.Map.Semaphores()}
	if err := lock.Write(k); err != nil {
		return err
	}
	fault.At(fault.RestoreWritten)
	return nil
}

// A FolderLock keeps cleaners away from a folder: systemd-tmpfiles passes over a folder on which a
// process has a flock. The lock is shared, and independent of the locks of key files.
type FolderLock struct{ f *os.File }

// Hold takes the lock, unless it has it already and the path still names the same folder.
func (l *FolderLock) Hold(dir string) {
	if l.f != nil {
		held, err1 := l.f.Stat()
		named, err2 := os.Stat(dir)
		if err1 == nil && err2 == nil && os.SameFile(held, named) {
			return
		}
		l.Release()
	}
	f, err := linux.OpenFolder(dir)
	if err != nil {
		return
	}
	l.f = f
	if linux.TryShare(f) != nil { // a cleaner has it: the next call tries again
		l.Release()
	}
}

func (l *FolderLock) Release() {
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
}
