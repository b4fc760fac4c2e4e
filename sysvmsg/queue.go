package sysvmsg

import (
	"fmt"
	"io/fs"
	"strconv"

	"shmbus/internal/sysv"
)

// Key is a System V IPC key: a name that unrelated processes agree on, chosen or made by [Ftok].
type Key = int32

// Private is the key that always makes a new queue, which can be found by its identifier only.
const Private Key = sysv.Private

// Ftok makes a key from a file and a project number, the same key as the C library's ftok. The file
// must exist; its content does not matter.
//
// The key consists of 16 bits of the inode number, 8 bits of the device number, and the project
// number. Two files can have the same key, so a program that opens a queue by such a key should
// check that it is the queue that it expects. A file that is deleted and made again usually has
// another key. Errors are of type *fs.PathError. Project 0 is an error: C leaves its result
// undefined, and it could make the key [Private].
func Ftok(path string, proj byte) (Key, error) { return sysv.Ftok(path, proj) }

// Flag says how [Get] opens a queue. The low nine bits are permission bits, as in Create|0600. For
// a queue, r means receiving, copying and reading its state, w means sending, x means nothing.
type Flag int

const (
	// Create makes the queue if there is none with that key.
	Create Flag = sysv.Create
	// Exclusive, together with Create, makes Get fail with os.ErrExist if there is one.
	Exclusive Flag = sysv.Exclusive
)

// Perm turns the permission bits of a file mode into a [Flag].
func Perm(mode fs.FileMode) Flag { return Flag(mode.Perm()) }

// A Queue is a handle to a message queue: its identifier. It is made by [Get] or [FromID]. There is
// nothing to close; the queue itself lives until [Queue.Remove]. Every call on the zero value
// returns [ErrRemoved], because it names no queue.
type Queue struct {
	id sysv.ID
}

// Get returns the queue with the given key, and creates it, empty, if flags say so.
//
// Errors: os.ErrNotExist without [Create], os.ErrExist with Create|[Exclusive], os.ErrPermission,
// [ErrNoSpace] when the system's limit MSGMNI is reached.
func Get(key Key, flags Flag) (*Queue, error) {
	id, errno := msgget(key, int(flags))
	if errno != 0 {
		return nil, getError(key, errno)
	}
	return FromID(id), nil
}

// FromID returns a handle to the queue with that identifier. It does not ask the kernel: if there
// is no such queue, the first use returns [ErrRemoved]. An identifier below 0 or above
// math.MaxInt32 gives the zero value.
func FromID(id int) *Queue { return &Queue{id: sysv.MakeID(id)} }

// ID returns the kernel's identifier of the queue, the msqid column of ipcs -q.
// For the zero value it is -1.
func (q *Queue) ID() int { return q.id.Number() }

// String returns "sysvmsg:" and the identifier.
func (q *Queue) String() string { return "sysvmsg:" + strconv.Itoa(q.ID()) }

var _ fmt.Stringer = (*Queue)(nil)
