package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// clearLeftovers removes the objects of an earlier bus that the locked key file names. A bus that
// was completed is not removed unless force is set: the error is ErrExists, or says why the bus
// cannot be used. The segment is removed last, because it tells whether the set belongs to the bus.
func clearLeftovers(lock *LockedKey, k KeyFile, force bool) error {
	if k.here(lock.Path) != nil {
		return nil // an object with this key in this IPC namespace does not belong to the bus
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
			// A process died, or was stopped, while it removed the bus.
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

// vanished reports whether an object does not exist, or was removed meanwhile, for example by a
// client that found its bus removed.
func vanished(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, sysvshm.ErrRemoved) || errors.Is(err,
		sysvsem.ErrRemoved)
}

// markRemoved marks a bus as removed, for the processes that have it open.
func markRemoved(shm *sysvshm.Segment) {
	mapping, err := shm.Attach(sysvshm.ReadWrite)
	if err != nil {
		return
	}
	defer mapping.Detach()
	if w, err := segment.NewWords(mapping.Bytes(),
		layout.Map{Size: layout.HeaderSize}); err == nil {
		atomic.StoreUint64(w.Header(layout.HeaderState), layout.StateRemoved)
	}
}

// An inspection is what is known about the segment with the key of a key file.
type inspection struct {
	ours   bool  // the segment belongs to the bus of the key file
	named  bool  // its header has the UUID of the key file
	semID  int   // the semaphore set that its header names
	defect error // why the bus cannot be used; nil if it can
}

// inspectSegment looks at the segment with the key of a key file.
//
// A creator that was killed before it wrote into its segment leaves an empty segment, and a key
// file that names a key but no segment. The key was free when the key file was written, but another
// process may have taken it since. So an empty segment belongs to the bus only if the kernel says
// that the process that wrote the key file made it. A process in another pid namespace gets another
// answer from the kernel, and leaves the segment alone.
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
		// After a reboot the kernel assigns the same identifiers again: a sound segment with
		// another UUID belongs to another bus.
		found.ours = found.named || defect != nil && shm.ID() == k.ShmID
	} else {
		// st was read before this process attached, so its count does not include this process.
		untouched := id == layout.UUID{} && st.Attached == 0
		found.ours = found.named || untouched && k.PID != 0 && st.CreatorPID == k.PID
	}
	return found, nil
}

// ownSet returns set, which has the key of the key file, if it belongs to the bus, and nil
// otherwise.
//
// The set of a bus that was not completed is recognised in two ways. Either the header names it. Or
// the segment belongs to the bus and nobody has operated on the set yet: a creator operates on it
// only after the header is complete. The kernel does not tell who made a set, so one case is
// decided wrongly. It is a set that another program made after the key was found free, with this
// number of semaphores and an owner for whom the key file can vouch, and that was never used: it is
// taken for the set of the bus.
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

// halfRemoved returns segment.ErrRemoved if a bus is marked removed, or if its semaphore set is
// gone.
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
