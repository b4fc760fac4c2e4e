package bus

import (
	"runtime"
	"sync"
)

// A lease is the use of a record by a publisher or a subscription, its user. It ends by Close, by
// the end of the last call after Close, or by the garbage collector if the program has dropped the
// user, which the lease does not refer to.
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
