// Package segment represents a bus that this process has attached: its memory as bounded words, its
// semaphore set, and which of its clients live.
//
// All packages of a bus below the public API use it. It knows neither names nor key files
// (internal/registry), and no part of the protocol: the packages above it decide when a word
// changes.
package segment

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

// ErrRemoved is the error of every call on a bus that was removed.
var ErrRemoved = errors.New("the bus was removed")

// A Segment is an attached bus: its memory, its semaphore set, and what its header said when it was
// attached.
type Segment struct {
	Words
	Shm      *sysvshm.Segment
	Mapping  *sysvshm.Mapping
	Set      *sysvsem.Set
	Identity layout.Header   // UUID, name, key, creator: they do not change
	Path     string          // path of the key file, "" if the bus was opened by its key
	Lost     atomic.Bool     // this process has found that the bus is gone
	Asked    layout.Geometry // the sizes that the handle's options name, for errors
}

// Detach unmaps the memory. Any later access to it ends the program.
func (s *Segment) Detach() { s.Mapping.Detach() }

// ReadOnly reports whether the memory is mapped read-only. A write to it then ends the program.
func (s *Segment) ReadOnly() bool { return s.Mapping.ReadOnly() }

// Removed reports whether the bus was removed, as far as its header or this process knows.
func (s *Segment) Removed() bool {
	return s.Lost.Load() || atomic.LoadUint64(s.Header(layout.HeaderState)) != layout.StateLive
}

// AttachMemory maps a segment and keeps it out of core dumps, for three reasons. The kernel reports
// a process's death only after the core is written, so a large core delays the report. The segment
// holds messages of other processes, which do not belong in a file of this process. And a debugger
// needs no copy, because the segment itself remains.
func AttachMemory(shm *sysvshm.Segment, flags sysvshm.AttachFlag) (*sysvshm.Mapping, error) {
	mapping, err := shm.Attach(flags)
	if err == nil {
		_ = mapping.DontDump() // a larger core is no reason to fail
	}
	return mapping, err
}

// Attach attaches to the bus in a System V segment, if it is complete, sound and not removed. It
// bounds everything that the header says by the segment's size.
func Attach(shm *sysvshm.Segment, flags sysvshm.AttachFlag) (*Segment, error) {
	mapping, err := AttachMemory(shm, flags)
	if err != nil {
		if errors.Is(err, sysvshm.ErrRemoved) {
			err = Gone(err.Error())
		}
		return nil, err
	}
	fail := func(err error) (*Segment, error) {
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
	w, err := NewWords(mem, m)
	if err != nil {
		return fail(err)
	}
	set := sysvsem.FromID(int(h.SemID))
	st, err := set.Stat()
	if err != nil {
		if errors.Is(err, sysvsem.ErrRemoved) {
			err = fmt.Errorf("%w: the segment is there, but its semaphore set is gone: "+
				"remove the bus (busd rm) and create it again", ErrRemoved)
		}
		return fail(err)
	}
	if st.NSems < m.Semaphores() {
		return fail(fmt.Errorf("segment %d: %w: it names semaphore set %d, which has %d "+
			"semaphores; %d are needed",
			shm.ID(), layout.ErrCorrupt, h.SemID, st.NSems, m.Semaphores()))
	}
	seg := &Segment{Words: w, Shm: shm, Mapping: mapping, Set: set, Identity: h}
	if seg.Removed() {
		return fail(fmt.Errorf("%w just now: %w", ErrRemoved, Gone("it may be created again")))
	}
	return seg, nil
}

// SemError turns an error of the semaphore set into an error of the bus. If the set is gone, the
// bus was removed: SemError marks it as removed for all processes, unless the memory is read-only.
func (s *Segment) SemError(err error) error {
	if errors.Is(err, sysvsem.ErrRemoved) {
		if s.ReadOnly() {
			return ErrRemoved
		}
		atomic.StoreUint64(s.Header(layout.HeaderState), layout.StateRemoved)
		return ErrRemoved
	}
	return fmt.Errorf("semaphore set: %w", err)
}

// Gone is an error with its text, for a bus that no longer exists although a part of it does.
// errors.Is finds fs.ErrNotExist in it.
type Gone string

func (e Gone) Error() string { return string(e) }

func (e Gone) Is(target error) bool { return target == fs.ErrNotExist }
