package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// Remove removes the bus with the given name, whatever state it is in.
func Remove(dirs []string, name string) error {
	path, err := findKeyFile(dirs, name)
	if err != nil {
		return err
	}
	lock, err := Lock(path, false, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return notFound(dirs, name)
	} else if err != nil {
		return err
	}
	defer lock.Close()
	fault.At(fault.RemoveLocked)
	k, ok, err := lock.read()
	if err != nil {
		return err
	}
	if err := k.here(path); err != nil {
		return fmt.Errorf("%w; remove the bus there, or, if that namespace is gone, delete the "+
			"key file", err)
	}
	if ok {
		if err := removeObjects(lock, k); err != nil {
			return err
		}
	}
	if err := lock.unlink(); err != nil {
		return explainFile(err)
	}
	fault.At(fault.RemoveUnlinked)
	return nil
}

func removeObjects(lock *LockedKey, k KeyFile) error {
	seg, err := OpenKey(k.Key, sysvshm.ReadWrite)
	if err == nil && seg.Identity.UUID.String() == k.UUID {
		defer seg.Detach()
		if err := lock.mayRemove(seg.Shm, seg.Set); err != nil {
			return err
		}
		// The mark comes first: clients that are awake see it, and the removal of the set wakes the
		// others.
		atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateRemoved)
		fault.At(fault.RemoveMarked)
		if err := seg.Set.Remove(); err != nil && !vanished(err) {
			atomic.StoreUint64(seg.Header(layout.HeaderState), layout.StateLive)
			return err
		}
		fault.At(fault.RemoveSet)
		err := seg.Shm.Remove()
		fault.At(fault.RemoveSegment)
		if vanished(err) {
			err = nil
		}
		return err
	}
	if err == nil {
		seg.Detach()
	}
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	// The bus is incomplete, damaged or partly removed. Only what certainly belongs to it is
	// removed.
	return clearLeftovers(lock, k, true)
}
