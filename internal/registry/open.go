package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shmbus/internal/fault"
	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/sysvshm"
)

// openPatience is how long Open waits for another process that is creating or removing the bus.
const openPatience = 2 * time.Second

// Open attaches to the bus with the given name. The bus may be removed and created again after the
// key file was read and before the segment is attached. So a failure is final only if the key file
// still says the same and nobody holds its lock; otherwise Open starts again. It looks at least
// once, even if ctx has ended already, but then it does not wait.
func Open(
	ctx context.Context, dirs []string, name string, flags sysvshm.AttachFlag,
) (*segment.Segment, error) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	for ; ; time.Sleep(openPause) {
		path, err := findKeyFile(dirs, name)
		if err != nil {
			return nil, err
		}
		k, err := awaitReady(ctx, path)
		if err == nil {
			fault.At(fault.OpenFound)
			var seg *segment.Segment
			if seg, err = k.attach(path, flags); err == nil {
				seg.Path = path
				return seg, nil
			}
		}
		if ctx.Err() != nil || !k.overtaken(path) {
			return nil, err
		}
	}
}

const openPause = 2 * time.Millisecond

// overtaken reports whether the key file has changed since it was read as k, or is being changed.
func (k KeyFile) overtaken(path string) bool {
	now, err := ReadKeyFile(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && now != k || beingWritten(path)
}

// awaitReady returns the key file of a complete bus. It waits until ctx ends for a process that is
// creating the bus, but not for one that died or was stopped.
func awaitReady(ctx context.Context, path string) (k KeyFile, err error) {
	for {
		k, err = ReadKeyFile(path)
		if errors.Is(err, fs.ErrPermission) {
			return k, fmt.Errorf("%w (the bus's mode and group decide who may use it: busd "+
				"--mode, --group)", err)
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return k, explainFile(err)
		}
		if err == nil && k.State == Ready {
			return k, nil
		}
		if ctx.Err() != nil || err == nil && abandoned(path) {
			if err == nil {
				err = fmt.Errorf("%w: its creator died or was stopped; create it again",
					layout.ErrIncomplete)
			}
			return k, err
		}
		time.Sleep(openPause)
	}
}

// attach attaches to the bus that k, read from path, names.
func (k KeyFile) attach(path string, flags sysvshm.AttachFlag) (*segment.Segment, error) {
	if err := k.here(path); err != nil {
		return nil, err
	}
	seg, err := OpenKey(k.Key, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, segment.Gone(fmt.Sprintf("its key file %s is there, but segment and "+
			"semaphores are gone: "+
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
		return nil, fmt.Errorf("%w: another bus (%s, created as %q) has System V key %#x, which "+
			"%s names: "+
			"clean up with: busd doctor --fix",
			layout.ErrNotABus, seg.Identity.UUID, seg.Identity.Name, uint32(k.Key), path)
	}
	return seg, nil
}

// abandoned reports whether a key file says that its bus is not ready, and nobody holds its lock.
func abandoned(path string) bool {
	if beingWritten(path) {
		return false
	}
	k, err := ReadKeyFile(path)
	return err == nil && k.State != Ready
}

// OpenKey attaches to the bus with the given System V key.
func OpenKey(key int32, flags sysvshm.AttachFlag) (*segment.Segment, error) {
	if key == sysvshm.Private {
		return nil, fmt.Errorf("%w: key 0 (IPC_PRIVATE) is no bus's: busd ls shows the keys",
			fs.ErrInvalid)
	}
	shm, err := sysvshm.Get(key, 0, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent(fmt.Sprintf("no segment has the key %#x: busd ls shows the keys of buses",
			uint32(key)))
	}
	if err != nil {
		return nil, err
	}
	return segment.Attach(shm, flags)
}
