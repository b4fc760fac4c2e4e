package registry

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A Spec says what a new bus is to be like.
type Spec struct {
	Geometry layout.Geometry
	Mode     fs.FileMode
	UID, GID int // of the owner; -1: as the key file comes
	Huge     bool
}

// A Joining makes this process a client of a bus that it creates. leave undoes that.
type Joining func(*segment.Segment) (leave func(), err error)

// Create makes the bus. Its error is errExists if there is one already.
//
// It runs under the key file's lock. What a creator leaves behind that dies on the way is found
// by the next one through the key file, which says beforehand what is about to be made; the magic
// number, without which nobody attaches, is written last. The creator joins before that: nothing that can
// fail comes after, so that it never has to take away a bus that others use, and nobody can fill the client table before it.
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

func makeObjects(lock *LockedKey, name string, c Spec, m layout.Map, join Joining) (*segment.Segment, error) {
	var id layout.UUID
	rand.Read(id[:])
	// ftok maps many files to one key: on a collision the next project number is taken.
	for proj := 1; proj <= 255; proj++ {
		key, err := sysvshm.Ftok(lock.Path, byte(proj))
		if err != nil {
			return nil, err
		}
		// What has the key before the key file names it is somebody else's, whatever it looks like later.
		if used, err := taken(key); err != nil {
			return nil, err
		} else if used {
			continue
		}
		k := KeyFile{Version: 1, State: Creating, UUID: id.String(), Key: key, IPC: IPCNamespace(), PID: os.Getpid(), Sems: m.Semaphores()}
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
		set, err := sysvsem.Get(key, m.Semaphores(), sysvsem.Create|sysvsem.Exclusive|sysvsem.Perm(c.Mode))
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
			atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateRemoved) // its key may have been guessed
			seg.Detach()
			set.Remove()
			shm.Remove()
			return nil, err
		}
		fault.At(fault.CreateReady)
		return seg, nil
	}
	return nil, fmt.Errorf("all 255 System V keys of %s are taken by others (see ipcs): use another name", lock.Path)
}

func Initialise(shm *sysvshm.Segment, set *sysvsem.Set, name string, id layout.UUID, key int32, m layout.Map, join Joining) (*segment.Segment, func(), error) {
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
	// Nobody else knows the set yet. Where it cannot be tried the kernel is taken at its word.
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

// clearLeftovers removes what an earlier bus under the locked key file left. A bus that was completed is left
// alone, with errExists or the reason why it cannot be used, unless force says otherwise. The segment, which tells whose
// the set is, goes last.
func clearLeftovers(lock *LockedKey, k KeyFile, force bool) error {
	if k.here(lock.Path) != nil {
		return nil // whatever has the key in this IPC namespace is not of the bus
	}
	var found inspection
	shm, err := sysvshm.Get(k.Key, 0, 0)
	if err == nil {
		found, err = inspectSegment(shm, k)
	}
	if vanished(err) {
		shm, found = nil, inspection{}
	} else if err != nil {
		return err
	}
	if found.ours && k.State == Ready && !force {
		switch {
		case errors.Is(found.defect, segment.ErrRemoved):
			// Whoever removed it did not get to the end.
		case found.defect != nil:
			return fmt.Errorf("%w; remove it first: busd rm", found.defect)
		default:
			return ErrExists
		}
	}
	set, err := sysvsem.Get(k.Key, 0, 0)
	if err == nil && (found.ours || shm == nil) {
		set, err = found.ownSet(set, k)
	} else {
		set = nil
	}
	if err != nil && !vanished(err) {
		return err
	}
	if found.ours {
		if err := lock.mayRemove(shm, set); err != nil {
			return err
		}
		markRemoved(shm)
	}
	if set != nil {
		if err := lock.mayRemove(nil, set); err != nil {
			return err
		}
		if err := set.Remove(); err != nil && !vanished(err) {
			return err
		}
		fault.At(fault.LeftoverSet)
	}
	if found.ours {
		if err := shm.Remove(); err != nil && !vanished(err) {
			return err
		}
		fault.At(fault.LeftoverSegment)
	}
	return nil
}

// vanished reports whether an object was not there, or was removed meanwhile: by a client that found its bus taken away, say.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, sysvshm.ErrRemoved) || errors.Is(err, sysvsem.ErrRemoved)
}

// markRemoved tells those who opened a bus before it was damaged that it goes.
func markRemoved(shm *sysvshm.Segment) {
	mapping, err := shm.Attach(sysvshm.ReadWrite)
	if err != nil {
		return
	}
	defer mapping.Detach()
	if w, err := segment.NewWords(mapping.Bytes(), layout.Map{Size: layout.HeaderSize}); err == nil {
		atomic.StoreUint64(w.Header(layout.HeaderState), layout.StateRemoved)
	}
}

// An inspection is of the segment that has a key file's key.
type inspection struct {
	ours   bool  // it is the key file's
	named  bool  // it says so itself
	semID  int   // the set that it names, if it is named
	defect error // what keeps it from being used
}

// inspectSegment looks at the segment with the key file's key.
//
// A creator that was killed before it wrote into its segment leaves one that holds nothing, and a key file that names no segment, only a key. The
// key was free when the key file was written, but anybody may have taken it since: between that and the creator's
// own try, or after its death. So such a segment is the key file's only if the kernel says that the very process which wrote the
// key file made it. From another pid namespace the kernel says something else, and the segment stays where it is.
func inspectSegment(shm *sysvshm.Segment, k KeyFile) (found inspection, err error) {
	st, err := shm.Stat()
	if err != nil {
		return found, err
	}
	mapping, err := shm.Attach(sysvshm.ReadOnly)
	if err != nil {
		return found, err
	}
	defer mapping.Detach()
	mem := mapping.Bytes()
	h, _, defect := layout.DecodeHeader(mem, len(mem))
	if defect == nil {
		defect = halfRemoved(mem, h)
	}
	found.defect = defect
	if len(mem) < layout.HeaderSize {
		return found, nil
	}
	var id layout.UUID
	copy(id[:], mem[layout.HeaderUUID:])
	found.named = id.String() == k.UUID
	found.semID = int(int32(binary.LittleEndian.Uint32(mem[layout.HeaderSemID:])))
	if k.State == Ready {
		// After a reboot identifiers begin again: a sound segment of another bus is never ours.
		found.ours = found.named || defect != nil && shm.ID() == k.ShmID
	} else {
		untouched := id == layout.UUID{} && st.Attached == 0 // before this process attached it
		found.ours = found.named || untouched && k.PID != 0 && st.CreatorPID == k.PID
	}
	return found, nil
}

// ownSet returns the set with the key file's key if it is the bus's, otherwise nil.
//
// Of a bus that was not completed, the header names it, or the segment is there and nobody has operated on the set, as nobody has before
// the header is complete. The kernel does not tell who made a set; one of a stranger with this key, this number of
// semaphores and an owner for whom the key file can vouch, made since the key was free and never used, would be taken for it.
func (found inspection) ownSet(set *sysvsem.Set, k KeyFile) (*sysvsem.Set, error) {
	if k.State == Ready {
		if set.ID() == k.SemID {
			return set, nil
		}
		return nil, nil
	}
	if found.named && set.ID() == found.semID {
		return set, nil
	}
	st, err := set.Stat()
	if err != nil || !found.ours || !st.OpTime.IsZero() || st.NSems != k.Sems {
		return nil, err
	}
	return set, nil
}

// halfRemoved returns segment.ErrRemoved for a bus that is marked removed, or whose semaphore set is gone.
func halfRemoved(mem []byte, h layout.Header) error {
	w, err := segment.NewWords(mem, layout.Map{Size: layout.HeaderSize})
	if err != nil {
		return err
	}
	if atomic.LoadUint64(w.Header(layout.HeaderState)) != layout.StateLive {
		return segment.ErrRemoved
	}
	if _, err := sysvsem.FromID(int(h.SemID)).Stat(); errors.Is(err, sysvsem.ErrRemoved) {
		return segment.ErrRemoved
	}
	return nil
}
