package bus

import (
	"runtime"
	"sync"
)

// A lease is the use of a record by a publisher or a subscription, its user. It is ended by Close,
// by the last call that ends after Close, or by the garbage collector if the program has dropped
// the user. Therefore the lease does not refer to its user.
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
