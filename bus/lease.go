package bus

import (
	"runtime"
	"sync"
)

// A lease is a record that a publisher or a subscription has, until it is given back: by Close, by the end
// of the last call after Close, or by the garbage collector when the program has dropped its user. It does not refer to the user.
type lease struct {
	release func() // gives the record back; no call is in progress
	once    sync.Once
}

func (l *lease) end() { l.once.Do(l.release) }

// lend makes u the user of the lease's record, for as long as u can be reached.
func lend[T any](l *lease, u *T) *lease {
	runtime.AddCleanup(u, (*lease).end, l)
	return l
}
