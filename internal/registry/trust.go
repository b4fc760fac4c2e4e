package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"shmbus/internal/linux"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// keyFileWrite is the write permission of group and others, which a key file never gives: whoever
// can rewrite a key file chooses which System V objects root opens and removes.
const keyFileWrite fs.FileMode = 0o022

func ownerOf(st fs.FileInfo) int {
	uid, _ := linux.Owner(st)
	return uid
}

// vouches reports whether the author of a key file may decide about an object with this owner and
// creator, such as its removal: root may, and so may its owner and its creator.
func vouches(author, uid, creator int) bool {
	return author == 0 || author == uid ||
		author == creator
}

// mayRemove returns an error if the objects that the key file names must not be removed, because
// the author of the key file cannot vouch for them or because this process has no right to remove
// them. It changes nothing. Either object may be nil.
func (l *LockedKey) mayRemove(shm *sysvshm.Segment, set *sysvsem.Set) error {
	file, err := l.f.Stat()
	if err != nil {
		return err
	}
	author := ownerOf(file)
	check := func(what string, id, uid, creator int) error {
		if vouches(author, uid, creator) {
			return nil
		}
		return fmt.Errorf("%w: %s belongs to user %d, and %s %d, which it names, to user %d: "+
			"nothing is removed; "+
			"if the key file is wrong, delete it", fs.ErrPermission, l.Path, author, what, id, uid)
	}
	if shm != nil {
		st, err := shm.Stat()
		if err == nil {
			err = check("segment", st.ID, st.UID, st.CUID)
		}
		if err == nil {
			err = shm.SetPerm(st.UID, st.GID, st.Mode) // needs the same right as removing
		}
		if err != nil && !errors.Is(err, sysvshm.ErrRemoved) {
			return err
		}
	}
	if set != nil {
		st, err := set.Stat()
		if err == nil {
			err = check("semaphore set", st.ID, st.UID, st.CUID)
		}
		if err == nil {
			err = set.SetPerm(st.UID, st.GID, st.Mode)
		}
		if err != nil && !errors.Is(err, sysvsem.ErrRemoved) {
			return err
		}
	}
	// The key file must be removable, too. If it stayed, other users could not create the bus
	// again.
	dir := filepath.Dir(l.Path)
	if err := linux.MayChange(dir); err != nil {
		return explainFile(&fs.PathError{Op: "remove from", Path: dir, Err: err})
	}
	return nil
}

// trusted returns an error if a default folder of this user must not be used. In a shared folder
// such as /tmp, another user may have made the folder first, and could replace key files in it. Any
// other folder is that of root or was chosen by a user, and is trusted. On systems other than Linux
// no folder can be used.
func trusted(dir string) error {
	if err := linux.Only(); err != nil {
		return err
	}
	if !isOwnDir(dir) {
		return nil
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return nil // a folder that does not exist holds no key file
	}
	if uid := ownerOf(st); !st.IsDir() || uid != os.Geteuid() ||
		st.Mode().Perm()&keyFileWrite != 0 {
		return fmt.Errorf("%w: %s must be a folder that belongs to user %d and that nobody else "+
			"can write to, but it is %v of user %d: "+
			"remove it, or choose another with "+
			"SHMBUS_DIR", fs.ErrPermission, dir, os.Geteuid(), st.Mode(), uid)
	}
	return nil
}
