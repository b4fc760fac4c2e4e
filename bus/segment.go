package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"shmbus/internal/fault"
	"shmbus/layout"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// errRemoved says that the bus was removed.
var errRemoved = errors.New("the bus was removed")

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
}

func (s *segment) detach() { s.mapping.Detach() }

// readOnly reports whether a write to the segment is a fatal fault.
func (s *segment) readOnly() bool { return s.mapping.ReadOnly() }

func (s *segment) removed() bool {
	return s.lost.Load() || atomic.LoadUint64(s.header(layout.HeaderState)) != layout.StateLive
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

// attachSegment attaches to the bus in a segment.
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
			err = fmt.Errorf("%w: the segment is there, but its semaphore set is gone: remove the bus (busd rm) and create it again", errRemoved)
		}
		return fail(err)
	}
	if st.NSems < m.Semaphores() {
		return fail(fmt.Errorf("segment %d: %w: it names semaphore set %d, which has %d semaphores; %d are needed", shm.ID(), layout.ErrCorrupt, h.SemID, st.NSems, m.Semaphores()))
	}
	seg := &segment{words: w, shm: shm, mapping: mapping, set: set, head: h}
	if seg.removed() {
		return fail(fmt.Errorf("%w just now: %w", errRemoved, goneError("it may be created again")))
	}
	return seg, nil
}

// semError turns an error of the semaphore set into one of the bus.
func (s *segment) semError(err error) error {
	if errors.Is(err, sysvsem.ErrRemoved) {
		if s.readOnly() {
			return errRemoved
		}
		atomic.StoreUint64(s.header(layout.HeaderState), layout.StateRemoved)
		return errRemoved
	}
	return fmt.Errorf("semaphore set: %w", err)
}

// A goneError says that a bus is not there any more, though something of it is.
type goneError string

func (e goneError) Error() string { return string(e) }

func (e goneError) Is(target error) bool { return target == fs.ErrNotExist }
