package registry

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A Spec describes a bus that is to be created.
type Spec struct {
	Geometry layout.Geometry
	Mode     fs.FileMode
	UID, GID int // owner of the bus; -1: the owner of the new key file
	Huge     bool
}

// A Joining makes the creator a client of its bus before others can open it. leave undoes that.
type Joining func(*segment.Segment) (leave func(), err error)

// Create makes a bus in a folder of key files. The error is ErrExists if the bus exists already.
//
// Create holds the lock of the key file. Before it makes an object, it writes into the key file
// what it is about to make, so that the next creator finds what a dead one left behind. The magic
// number, without which nobody attaches, is written last. The creator joins before that, for two
// reasons: nothing that can fail comes after the magic number, so Create never removes a bus that
// others use already; and others cannot fill the client table before the creator has its record.
func Create(dir, name string, c Spec, join Joining) (*segment.Segment, error) {
	m, err := layout.NewMap(c.Geometry)
	if err != nil {
		return nil, err
	}
	lock, err := freshKeyFile(KeyPath(dir, name), c)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	seg, err := makeObjects(lock, name, c, m, join)
	if err != nil {
		lock.unlink()
		return nil, err
	}
	return seg, nil
}

func makeObjects(lock *LockedKey, name string, c Spec, m layout.Map,
	join Joining) (*segment.Segment, error) {
	var id layout.UUID
	rand.Read(id[:])
	// Several files can have the same key. After a collision the next project number is tried.
	for proj := 1; proj <= 255; proj++ {
		key, err := sysvshm.Ftok(lock.Path, byte(proj))
		if err != nil {
			return nil, err
		}
		// If an object has the key already, before the key file names the key, it belongs to
		// another program, even if its contents later look like those of this bus.
		if used, err := taken(key); err != nil {
			return nil, err
		} else if used {
			continue
		}
		k := KeyFile{Version: 1, State: Creating, UUID: id.String(), Key: key, IPC: IPCNamespace(),
			PID: os.Getpid(), Sems: m.Semaphores()}
		if err := lock.Write(k); err != nil {
			return nil, err
		}
		fault.At(fault.CreateAnnounced)
		flags := sysvshm.Create | sysvshm.Exclusive | sysvshm.Perm(c.Mode)
		if c.Huge {
			flags |= sysvshm.HugeTLB
		}
		shm, err := sysvshm.Get(key, m.Size, flags)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("segment of %d bytes: %w", m.Size, err)
		}
		fault.At(fault.CreateSegment)
		set, err := sysvsem.Get(key, m.Semaphores(),
			sysvsem.Create|sysvsem.Exclusive|sysvsem.Perm(c.Mode))
		if err != nil {
			shm.Remove()
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return nil, fmt.Errorf("set of %d semaphores: %w", m.Semaphores(), err)
		}
		fault.At(fault.CreateSet)
		var seg *segment.Segment
		var leave func()
		if err = give(lock, c, shm, set); err == nil {
			seg, leave, err = Initialise(shm, set, name, id, key, m, join)
		}
		if err != nil {
			set.Remove()
			shm.Remove()
			return nil, err
		}
		seg.Path = lock.Path
		k.State, k.ShmID, k.SemID = Ready, shm.ID(), set.ID()
		if err := lock.Write(k); err != nil {
			leave()
			// Other processes may have opened the bus by its key.
			atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateRemoved)
			seg.Detach()
			set.Remove()
			shm.Remove()
			return nil, err
		}
		fault.At(fault.CreateReady)
		return seg, nil
	}
	return nil, fmt.Errorf("all 255 System V keys of %s are taken by others (see ipcs): use "+
		"another name", lock.Path)
}

// Initialise writes the header of a new segment, formats its ring, makes the creator a client with
// join, and writes the magic number last. leave undoes join.
func Initialise(shm *sysvshm.Segment, set *sysvsem.Set, name string, id layout.UUID, key int32,
	m layout.Map, join Joining) (*segment.Segment, func(), error) {
	mapping, err := segment.AttachMemory(shm, sysvshm.ReadWrite)
	if err != nil {
		return nil, nil, err
	}
	fail := func(err error) (*segment.Segment, func(), error) {
		mapping.Detach()
		return nil, nil, err
	}
	mem := mapping.Bytes()
	w, err := segment.NewWords(mem, m)
	if err != nil {
		return fail(err)
	}
	h := layout.Header{UUID: id, Geometry: m.Geometry, Created: time.Now().UnixNano(),
		SemID: int32(set.ID()), Key: key, Creator: uint32(os.Getpid()), Name: name}
	if err := h.Encode(mem); err != nil {
		return fail(err)
	}
	fault.At(fault.CreateHeader)
	r, err := ring.New(mem, m)
	if err != nil {
		return fail(err)
	}
	r.FormatAt(fault.FirstPosition())
	fault.At(fault.CreateFormatted)
	// No other process uses the set yet, as CheckUndo requires. If undo cannot be tested here, the
	// bus relies on the kernel to have it.
	if err := set.CheckUndo(layout.SemBell); errors.Is(err, sysvsem.ErrNoUndo) {
		return fail(err)
	}
	seg := &segment.Segment{Words: w, Shm: shm, Mapping: mapping, Set: set, Identity: h}
	leave, err := join(seg)
	if err != nil {
		return fail(err)
	}
	atomic.StoreUint64(w.Header(layout.HeaderState), layout.StateLive)
	atomic.StoreUint64(w.Header(layout.HeaderMagic), layout.Magic)
	fault.At(fault.CreateMagic)
	return seg, leave, nil
}

// freshKeyFile returns the locked key file of a bus that is to be created. Before that, it clears
// what an earlier bus left. The file belongs to the creator, or to the user to whom the bus will
// belong.
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

// prepare clears what an earlier bus left and takes the key file over. A key file of another user
// is removed instead, since that user may have it open: then again is true, and the caller makes a
// new file.
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

// give changes the owner of the segment, the set and the key file to the one that the spec names.
// The key file comes last. Until then its author is the creator of the objects. The kernel
// continues to record that creator, so the key file can vouch for the objects at every moment.
func give(lock *LockedKey, c Spec, shm *sysvshm.Segment, set *sysvsem.Set) error {
	st, err := lock.f.Stat()
	if err != nil {
		return err
	}
	uid, gid := c.UID, c.GID
	if gid == -1 {
		_, gid = linux.Owner(st)
	}
	if uid == -1 && gid == os.Getegid() {
		return nil
	}
	if err := shm.SetPerm(uid, gid, c.Mode); err != nil {
		return err
	}
	if err := set.SetPerm(uid, gid, c.Mode); err != nil {
		return err
	}
	if err := lock.f.Chown(uid, gid); err != nil {
		return fmt.Errorf("%w: giving a bus to another user needs root, "+
			"and giving it to a group needs membership in the group", err)
	}
	return nil
}

// taken reports whether a segment or a semaphore set has the System V key.
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
