package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// openPatience is how long opening waits for whoever creates or removes the bus just now.
const openPatience = 2 * time.Second

// Open attaches to the bus with the given name. Between reading the key file and attaching
// the bus may be removed and made again, so a failure counts only if the key file still says the
// same and nobody is at work on it; otherwise everything is looked up again.
func Open(dirs []string, name string, flags sysvshm.AttachFlag) (*segment.Segment, error) {
	for deadline := time.Now().Add(openPatience); ; time.Sleep(openPause) {
		path, err := findKeyFile(dirs, name)
		if err != nil {
			return nil, err
		}
		k, err := awaitReady(path, deadline)
		if err == nil {
			fault.At(fault.OpenFound)
			var seg *segment.Segment
			if seg, err = k.attach(path, flags); err == nil {
				seg.Path = path
				return seg, nil
			}
		}
		if time.Now().After(deadline) || !k.overtaken(path) {
			return nil, err
		}
	}
}

const openPause = 2 * time.Millisecond

// overtaken reports whether the key file says something else by now, or is about to.
func (k KeyFile) overtaken(path string) bool {
	now, err := ReadKeyFile(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && now != k || beingWritten(path)
}

// awaitReady reads the key file of a bus that is complete. Whoever creates the bus just now needs a
// moment; one who died or was stopped is not waited for.
func awaitReady(path string, deadline time.Time) (k KeyFile, err error) {
	for {
		k, err = ReadKeyFile(path)
		if errors.Is(err, fs.ErrPermission) {
			return k, fmt.Errorf("%w (the bus's mode and group decide who may use it: busd --mode, --group)", err)
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return k, explainFile(err)
		}
		if err == nil && k.State == Ready {
			return k, nil
		}
		if time.Now().After(deadline) || err == nil && abandoned(path) {
			if err == nil {
				err = fmt.Errorf("%w: its creator died or was stopped; create it again", layout.ErrIncomplete)
			}
			return k, err
		}
		time.Sleep(openPause)
	}
}

// attach attaches to the bus that the key file names.
func (k KeyFile) attach(path string, flags sysvshm.AttachFlag) (*segment.Segment, error) {
	if err := k.here(path); err != nil {
		return nil, err
	}
	seg, err := OpenKey(k.Key, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, segment.Gone(fmt.Sprintf("its key file %s is there, but segment and semaphores are gone: "+
			"create it again, or clean up with: busd doctor --fix", path))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = k.explainAccess(err, flags)
	}
	if err != nil {
		return nil, err
	}
	if seg.Identity.UUID.String() != k.UUID {
		seg.Detach()
		return nil, fmt.Errorf("%w: another bus (%s, created as %q) has System V key %#x, which %s names: "+
			"clean up with: busd doctor --fix", layout.ErrNotABus, seg.Identity.UUID, seg.Identity.Name, uint32(k.Key), path)
	}
	return seg, nil
}

// abandoned reports whether the key file says that a bus is not ready, and nobody is at work on it.
func abandoned(path string) bool {
	if beingWritten(path) {
		return false
	}
	k, err := ReadKeyFile(path)
	return err == nil && k.State != Ready
}

// OpenKey attaches to the bus with the given System V key.
func OpenKey(key int32, flags sysvshm.AttachFlag) (*segment.Segment, error) {
	shm, err := sysvshm.Get(key, 0, 0)
	if err != nil {
		return nil, err
	}
	return segment.Attach(shm, flags)
}
