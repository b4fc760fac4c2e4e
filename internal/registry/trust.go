package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"shmbus/internal/fault"
	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// keyFileWrite is the permission to write that a key file never gives: who may rewrite it says which System V objects
// the name stands for, also to root.
const keyFileWrite fs.FileMode = 0o022

// openKeyFile opens a key file. In a folder that others may write to, its name can be that of anything: a link into
// another folder is not followed, and a pipe does not make this process wait.
func openKeyFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := linux.OpenNamed(path, flags, mode&^keyFileWrite)
	if st, e := os.Lstat(path); err != nil && e == nil {
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			err = errSymlink
		case !st.Mode().IsRegular(): // a folder, a socket
			err = errIrregular
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	}
	return f, nil
}

var (
	errSymlink   = errors.New("it is a symbolic link, which a key file never is: remove it, or use another name or SHMBUS_DIR")
	errIrregular = errors.New("it is not a regular file, as a key file is: remove it or give it another name, or use another name or SHMBUS_DIR")
)

func ownerOf(st fs.FileInfo) int {
	uid, _ := linux.Owner(st)
	return uid
}

// freshKeyFile returns the locked key file of a bus that is to be made, with nothing left of an earlier one. It belongs to
// who makes the bus, or gets it.
func freshKeyFile(path string, c Spec) (*LockedKey, error) {
	for {
		lock, err := Lock(path, true, c.Mode)
		if err != nil {
			return nil, err
		}
		fault.At(fault.CreateLocked)
		again, err := lock.prepare(c)
		if err == nil && !again {
			return lock, nil
		}
		lock.Close()
		if err != nil {
			return nil, err
		}
	}
}

// prepare clears what an earlier bus left and takes the key file over. again says that it was removed, because it was
// somebody else's, who may have it open still.
func (l *LockedKey) prepare(c Spec) (again bool, err error) {
	known, ok, err := l.read()
	if err != nil {
		return false, err
	}
	if ok {
		if err := clearLeftovers(l, known, false); err != nil {
			return false, err
		}
	}
	st, err := l.f.Stat()
	if err != nil {
		return false, err
	}
	if uid := ownerOf(st); uid != os.Geteuid() && uid != c.UID {
		return true, explainFile(l.unlink())
	}
	return false, l.f.Chmod(c.Mode &^ keyFileWrite)
}

// give makes segment and set belong to whom the bus is for, and the key file last: until then the objects' creator, whom they
// keep, is the key file's owner.
func give(lock *LockedKey, c Spec, shm *sysvshm.Segment, set *sysvsem.Set) error {
	st, err := lock.f.Stat()
	if err != nil {
		return err
	}
	uid, gid := c.UID, c.GID
	if gid < 0 {
		_, gid = linux.Owner(st)
	}
	if uid < 0 && gid == os.Getegid() {
		return nil
	}
	if err := shm.SetPerm(uid, gid, c.Mode); err != nil {
		return err
	}
	if err := set.SetPerm(uid, gid, c.Mode); err != nil {
		return err
	}
	if err := lock.f.Chown(uid, gid); err != nil {
		return fmt.Errorf("%w: giving a bus to another user takes root, to a group membership in it", err)
	}
	return nil
}

// vouches reports whether a key file's author may say what becomes of an object: root, and whose the object is or was.
func vouches(author, uid, creator int) bool { return author == 0 || author == uid || author == creator }

// mayRemove reports why the objects, of which either may be nil, must not be removed on the key file's word: it is somebody
// else's than they, or they are not the caller's to remove. It finds out without doing anything.
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
		return fmt.Errorf("%w: %s belongs to user %d, and %s %d, which it names, to user %d: nothing is removed; "+
			"if the key file is wrong, delete it", fs.ErrPermission, l.Path, author, what, id, uid)
	}
	if shm != nil {
		st, err := shm.Stat()
		if err == nil {
			err = check("segment", st.ID, st.UID, st.CUID)
		}
		if err == nil {
			err = shm.SetPerm(st.UID, st.GID, st.Mode) // allowed to whom removing is
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
	// A bus without a key file could not be found, one whose key file stays could not be made again by others.
	dir := filepath.Dir(l.Path)
	if err := linux.MayChange(dir); err != nil {
		return explainFile(&fs.PathError{Op: "remove from", Path: dir, Err: err})
	}
	return nil
}

// taken reports whether anything has the System V key.
func taken(key int32) (bool, error) {
	_, err := sysvshm.Get(key, 0, 0)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = sysvsem.Get(key, 0, 0)
	}
	switch {
	case err == nil, errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EIDRM):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// IPCNamespace returns the number of this process's IPC namespace, 0 where it can not be known.
func IPCNamespace() uint64 {
	st, err := os.Stat("/proc/self/ns/ipc")
	if err != nil {
		return 0
	}
	return linux.Inode(st)
}

// here reports, as a bus that is not there, a key file that was written in another IPC namespace: what has its key
// in this one is not looked at.
func (k KeyFile) here(path string) error {
	here := IPCNamespace()
	if k.IPC == 0 || here == 0 || k.IPC == here {
		return nil
	}
	return segment.Gone(fmt.Sprintf("its key file %s was written in another IPC namespace (ipc:[%d], this process is in ipc:[%d]): "+
		"containers that share a bus share that namespace (docker run --ipc), not only the folder", path, k.IPC, here))
}

// explainFile adds to an error about a key file what to do about it.
func explainFile(err error) error {
	var advice string
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EMFILE):
		advice = "RLIMIT_NOFILE is reached: raise it with ulimit -n, or LimitNOFILE= of systemd"
	case errors.Is(err, syscall.ENFILE):
		advice = "fs.file-max is reached: raise it: sysctl -w fs.file-max=N"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "the file system of the key files is full: make room, or use another folder: SHMBUS_DIR"
	case errors.Is(err, syscall.EROFS):
		advice = "the folder of key files can not be written: use another one: SHMBUS_DIR"
	case errors.Is(err, fs.ErrPermission):
		advice = "a bus is created and removed by who owns its key file and may write to the folder of it (SHMBUS_DIR), or by root"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// explainAccess adds to a refusal to attach what the bus's mode allows.
func (k KeyFile) explainAccess(err error, flags sysvshm.AttachFlag) error {
	st, statErr := sysvshm.FromID(k.ShmID).Stat() // needs permission to read
	switch {
	case statErr != nil:
		return fmt.Errorf("%w (the bus's mode and group decide who may use it: busd --mode, --group)", err)
	case flags == sysvshm.ReadWrite:
		return fmt.Errorf("%w: the bus has mode %04o, user %d, group %d, which lets this process look (bussub --observe, bus.Observe); "+
			"publishing and subscribing need to write (busd --mode, --group)", fs.ErrPermission, st.Mode, st.UID, st.GID)
	}
	return err
}
