package sysvshm

import (
	"fmt"
	"io/fs"
	"strconv"
	"syscall"

	"shmbus/internal/sysv"
)

// Key is a System V IPC key: a name that unrelated processes agree on, made by
// [Ftok] or chosen.
type Key = int32

// Private is the key that always makes a new segment, which can be found by its
// identifier only.
const Private Key = sysv.Private

// Ftok makes a key from a file and a project number, the same key as the C library's ftok. The file
// must exist; its content does not matter.
//
// The key consists of 16 bits of the inode number, 8 bits of the device number, and the project
// number. Two files can have the same key, so a program that opens a segment by such a key should
// check that it is the segment that it expects. A file that is deleted and made again usually has
// another key. Errors are of type *fs.PathError. Project 0 is an error: C leaves its result
// undefined, and it could make the key [Private].
func Ftok(path string, proj byte) (Key, error) { return sysv.Ftok(path, proj) }

// Flag says how [Get] opens a segment. The low nine bits are permission bits, as
// in Create|0600; x means nothing.
type Flag int

const (
	// Create makes the segment if there is none with that key.
	Create Flag = sysv.Create
	// Exclusive, together with Create, makes Get fail with os.ErrExist if there is one.
	Exclusive Flag = sysv.Exclusive
	// HugeTLB makes a new segment of huge pages of the default size. There must be free huge pages
	// (sysctl vm.nr_hugepages), and the caller needs CAP_IPC_LOCK or membership in the group
	// vm.hugetlb_shm_group.
	HugeTLB Flag = 0o4000
	// NoReserve reserves no swap space or huge pages for a new segment. If none is left when a page
	// is first touched, that access is a fatal SIGBUS.
	NoReserve Flag = 0o10000

	hugeShift = 26
	// HugeTLB2MB and HugeTLB1GB are HugeTLB with pages of that size.
	HugeTLB2MB Flag = HugeTLB | 21<<hugeShift
	HugeTLB1GB Flag = HugeTLB | 30<<hugeShift
)

// Perm turns the permission bits of a file mode into a [Flag].
func Perm(mode fs.FileMode) Flag { return Flag(mode.Perm()) }

// A Segment is a handle to a shared memory segment: its identifier. It is made by
// [Get] or [FromID]. There is nothing to close; the segment itself lives until
// [Segment.Remove] and the last detach. Every call on the zero value returns [ErrRemoved],
// because it names no segment.
type Segment struct {
	id sysv.ID
}

// Get returns the segment with the given key, and creates it if flags say so.
//
// A new segment has at least size bytes, all zero. An existing one must have at
// least size; 0 accepts any. Errors: os.ErrNotExist without [Create], os.ErrExist
// with Create|[Exclusive], os.ErrPermission, [ErrNoSpace] when the system's limits
// are reached, [ErrNoHugePages], syscall.EINVAL when size does not fit.
func Get(key Key, size int, flags Flag) (*Segment, error) {
	if size < 0 {
		return nil, getError(key, size, flags, syscall.EINVAL)
	}
	id, errno := shmget(key, size, int(flags))
	if errno != 0 {
		return nil, getError(key, size, flags, errno)
	}
	return FromID(id), nil
}

// FromID returns a handle to the segment with that identifier. It does not ask the kernel: if there
// is no such segment, the first use returns [ErrRemoved]. An identifier below 0 or above
// math.MaxInt32 gives the zero value.
func FromID(id int) *Segment { return &Segment{id: sysv.MakeID(id)} }

// ID returns the kernel's identifier of the segment, the shmid column of ipcs -m.
// For the zero value it is -1.
func (s *Segment) ID() int { return s.id.Number() }

// String returns "sysvshm:" and the identifier.
func (s *Segment) String() string { return "sysvshm:" + strconv.Itoa(s.ID()) }

var _ fmt.Stringer = (*Segment)(nil)
