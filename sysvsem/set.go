package sysvsem

import (
	"fmt"
	"io/fs"
	"strconv"

	"shmbus/internal/sysv"
)

// Key is a System V IPC key: a name that unrelated processes agree on, chosen or made by [Ftok].
type Key = int32

// Private is the key that always makes a new set, which can be found by its
// identifier only.
const Private Key = sysv.Private

// Ftok makes a key from a file and a project number, the same key as the C library's ftok. The file
// must exist; its content does not matter.
//
// The key consists of 16 bits of the inode number, 8 bits of the device number, and the project
// number. Two files can have the same key, so a program that opens a set by such a key should check
// that it is the set that it expects. A file that is deleted and made again usually has another
// key. Errors are of type *fs.PathError. Project 0 is an error: C leaves its result undefined, and
// it could make the key [Private].
func Ftok(path string, proj byte) (Key, error) { return sysv.Ftok(path, proj) }

// Flag says how [Get] opens a set. The low nine bits are permission bits, as in
// Create|0600. In a set, r means reading values and state, w means operating
// on the semaphores and setting them, x means nothing.
type Flag int

const (
	// Create makes the set if there is none with that key.
	Create Flag = sysv.Create
	// Exclusive, together with Create, makes Get fail with os.ErrExist if there is one.
	Exclusive Flag = sysv.Exclusive
)

// Perm turns the permission bits of a file mode into a [Flag].
func Perm(mode fs.FileMode) Flag { return Flag(mode.Perm()) }

// A Set is a handle to a semaphore set: its identifier. It is made by [Get] or
// [FromID]. There is nothing to close; the set itself lives until [Set.Remove].
// Every call on the zero value returns [ErrRemoved], because it names no set.
type Set struct {
	id sysv.ID
}

// Get returns the set with the given key, and creates it if flags say so.
//
// A new set has nsems semaphores, all of them zero. An existing one must have at
// least nsems; 0 accepts any number. Errors: os.ErrNotExist without [Create],
// os.ErrExist with Create|[Exclusive], os.ErrPermission, [ErrNoSpace] when the
// system's limits are reached, syscall.EINVAL when nsems does not fit.
func Get(key Key, nsems int, flags Flag) (*Set, error) {
	id, errno := semget(key, nsems, int(flags))
	if errno != 0 {
		return nil, getError(key, nsems, errno)
	}
	return FromID(id), nil
}

// FromID returns a handle to the set with that identifier. It does not ask the kernel: if there
// is no such set, the first use returns [ErrRemoved]. An identifier below 0 or above
// math.MaxInt32 gives the zero value.
func FromID(id int) *Set { return &Set{id: sysv.MakeID(id)} }

// ID returns the kernel's identifier of the set, the semid column of ipcs -s.
// For the zero value it is -1.
func (s *Set) ID() int { return s.id.Number() }

// String returns "sysvsem:" and the identifier.
func (s *Set) String() string { return "sysvsem:" + strconv.Itoa(s.ID()) }

var _ fmt.Stringer = (*Set)(nil)
