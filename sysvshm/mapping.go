package sysvshm

import (
	"sync"

	"shmbus/internal/sysv"
)

// AttachFlag says how [Segment.Attach] maps a segment.
type AttachFlag int

const (
	// ReadWrite needs permission to read and to write; it is the zero value.
	ReadWrite AttachFlag = 0
	// ReadOnly needs permission to read only. A write to the memory is a fatal fault.
	ReadOnly AttachFlag = 0o10000
	// Exec allows the memory to be executed.
	Exec AttachFlag = 0o100000
)

// A Mapping is a segment mapped into this process. It is made by [Segment.Attach].
// Its methods may be called by several goroutines at once.
type Mapping struct {
	id       int
	readOnly bool

	mu   sync.Mutex
	data []byte // nil once detached
}

// Attach maps the segment at an address that the kernel chooses. Each call makes a separate
// mapping. The length of the memory is the size that the segment was created with, even if [Get]
// was called with a smaller size.
func (s *Segment) Attach(flags AttachFlag) (*Mapping, error) {
	data, errno := shmat(s.ID(), int(flags))
	if errno != 0 {
		return nil, s.attachError(errno)
	}
	return &Mapping{id: s.ID(), readOnly: flags&ReadOnly != 0, data: data}, nil
}

// ID returns the identifier of the segment.
func (m *Mapping) ID() int { return m.id }

// ReadOnly reports whether the memory must not be written to.
func (m *Mapping) ReadOnly() bool { return m.readOnly }

// Bytes returns the memory, or nil after [Mapping.Detach]. The slice does not keep the
// mapping alive: do not touch it after Detach.
func (m *Mapping) Bytes() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.data
}

// DontDump keeps the memory out of this process's core dumps (MADV_DONTDUMP). It does nothing after
// [Mapping.Detach].
func (m *Mapping) DontDump() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil
	}
	if errno := dontDump(m.data); errno != 0 {
		return fail("madvise(MADV_DONTDUMP)", m.id, errno, sysv.Reason{})
	}
	return nil
}

// Detach unmaps the memory. Any later access to a slice from [Mapping.Bytes] is a
// fatal fault. Detach may be called more than once; the further calls do nothing and
// return nil.
func (m *Mapping) Detach() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil
	}
	if errno := shmdt(m.data); errno != 0 {
		return fail("shmdt", m.id, errno, sysv.Reason{})
	}
	m.data = nil
	return nil
}
