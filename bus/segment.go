package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"shmbus/internal/fault"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// A segment is an attached bus: its memory, its semaphore set, and what its header says.
type segment struct {
	words
	shm     *sysvshm.Segment
	mapping *sysvshm.Mapping
	set     *sysvsem.Set
	head    layout.Header
	path    string          // of the key file, "" if it was opened by key
	lost    atomic.Bool     // this process has found that the bus is gone
	asked   layout.Geometry // the sizes that the handle's options name, for errors
	joined  *client         // this process's, if it made the bus; nil where it is opened
}

func (s *segment) detach() { s.mapping.Detach() }

// readOnly reports whether a write to the segment is a fatal fault.
func (s *segment) readOnly() bool { return s.mapping.ReadOnly() }

func (s *segment) removed() bool {
	return s.lost.Load() || atomic.LoadUint64(s.header(layout.HeaderState)) != layout.StateLive
}

// openPatience is how long opening waits for whoever creates or removes the bus just now.
const openPatience = 2 * time.Second

// openSegment attaches to the bus with the given name. Between reading the key file and attaching
// the bus may be removed and made again, so a failure counts only if the key file still says the
// same and nobody is at work on it; otherwise everything is looked up again.
func openSegment(name string, c config, flags sysvshm.AttachFlag) (*segment, error) {
	for deadline := time.Now().Add(openPatience); ; time.Sleep(openPause) {
		path, err := findKeyFile(c.dirs, name)
		if err != nil {
			return nil, err
		}
		k, err := awaitReady(path, deadline)
		if err == nil {
			fault.At(fault.OpenFound)
			var seg *segment
			if seg, err = k.attach(path, flags); err == nil {
				seg.path = path
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
func (k keyFile) overtaken(path string) bool {
	now, err := readKeyFile(path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && now != k || beingWritten(path)
}

// awaitReady reads the key file of a bus that is complete. Whoever creates the bus just now needs a
// moment; one who died or was stopped is not waited for.
func awaitReady(path string, deadline time.Time) (k keyFile, err error) {
	for {
		k, err = readKeyFile(path)
		if errors.Is(err, fs.ErrPermission) {
			return k, fmt.Errorf("%w (the bus's mode and group decide who may use it: busd --mode, --group)", err)
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			return k, explainFile(err)
		}
		if err == nil && k.State == keyReady {
			return k, nil
		}
		if time.Now().After(deadline) || err == nil && abandoned(path) {
			if err == nil {
				err = fmt.Errorf("%w: its creator died or was stopped; create it again", ErrIncomplete)
			}
			return k, err
		}
		time.Sleep(openPause)
	}
}

// attach attaches to the bus that the key file names.
func (k keyFile) attach(path string, flags sysvshm.AttachFlag) (*segment, error) {
	if err := k.here(path); err != nil {
		return nil, err
	}
	seg, err := attachKey(k.Key, flags)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, goneError(fmt.Sprintf("its key file %s is there, but segment and semaphores are gone: "+
			"create it again, or clean up with: busd doctor --fix", path))
	}
	if errors.Is(err, fs.ErrPermission) {
		err = k.explainAccess(err, flags)
	}
	if err != nil {
		return nil, err
	}
	if seg.head.UUID.String() != k.UUID {
		seg.detach()
		return nil, fmt.Errorf("%w: another bus (%s, created as %q) has System V key %#x, which %s names: "+
			"clean up with: busd doctor --fix", ErrNotABus, seg.head.UUID, seg.head.Name, uint32(k.Key), path)
	}
	return seg, nil
}

// abandoned reports whether the key file says that a bus is not ready, and nobody is at work on it.
func abandoned(path string) bool {
	if beingWritten(path) {
		return false
	}
	k, err := readKeyFile(path)
	return err == nil && k.State != keyReady
}

// attachKey attaches to the bus with the given System V key.
func attachKey(key int32, flags sysvshm.AttachFlag) (*segment, error) {
	shm, err := sysvshm.Get(key, 0, 0)
	if err != nil {
		return nil, err
	}
	return attachSegment(shm, flags)
}

// attachMemory maps a segment for a handle. It stays out of core dumps: a process is dead to the others only when its core
// is written, the messages of others are not its own to write to disk, and what was in the segment at its death can
// still be looked at in the segment.
func attachMemory(shm *sysvshm.Segment, flags sysvshm.AttachFlag) (*sysvshm.Mapping, error) {
	mapping, err := shm.Attach(flags)
	if err == nil {
		_ = mapping.DontDump() // a core that is larger is no reason to fail
	}
	return mapping, err
}

func attachSegment(shm *sysvshm.Segment, flags sysvshm.AttachFlag) (*segment, error) {
	mapping, err := attachMemory(shm, flags)
	if err != nil {
		if errors.Is(err, sysvshm.ErrRemoved) {
			err = goneError(err.Error())
		}
		return nil, err
	}
	fail := func(err error) (*segment, error) {
		mapping.Detach()
		return nil, err
	}
	fault.At(fault.OpenAttached)
	mem := mapping.Bytes()
	h, m, err := layout.DecodeHeader(mem, len(mem))
	if err != nil {
		return fail(fmt.Errorf("segment %d: %w", shm.ID(), err))
	}
	m.Geometry.MaxFrame = m.Geometry.FrameLimit()
	w, err := newWords(mem, m)
	if err != nil {
		return fail(err)
	}
	set := sysvsem.FromID(int(h.SemID))
	st, err := set.Stat()
	if err != nil {
		if errors.Is(err, sysvsem.ErrRemoved) {
			err = fmt.Errorf("%w: the segment is there, but its semaphore set is gone: remove the bus (busd rm) and create it again", ErrRemoved)
		}
		return fail(err)
	}
	if st.NSems < m.Semaphores() {
		return fail(fmt.Errorf("segment %d: %w: it names semaphore set %d, which has %d semaphores; %d are needed", shm.ID(), ErrCorrupt, h.SemID, st.NSems, m.Semaphores()))
	}
	seg := &segment{words: w, shm: shm, mapping: mapping, set: set, head: h}
	if seg.removed() {
		return fail(fmt.Errorf("%w just now: %w", ErrRemoved, goneError("it may be created again")))
	}
	return seg, nil
}
