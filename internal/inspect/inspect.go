// Package inspect looks for values in a bus that no correct program writes. It writes nothing
// itself, and needs only permission to read. It is for busd doctor and for tests; users see a bus
// through bus.Snapshot.
package inspect

import (
	"shmbus/internal/segment"
	"shmbus/ring"
	"shmbus/sysvshm"
)

// Audit counts all slots of the bus whose segment has the given identifier. The result is exact
// only while nobody publishes.
func Audit(shmid int) (books ring.Books, err error) {
	err = attached(shmid, func(_ *segment.Segment, r *ring.Ring) { books = r.Audit() })
	return books, err
}

// attached attaches a bus read-only, calls f with it, and detaches it.
func attached(shmid int, f func(*segment.Segment, *ring.Ring)) error {
	seg, err := segment.Attach(sysvshm.FromID(shmid), sysvshm.ReadOnly)
	if err != nil {
		return err
	}
	defer seg.Detach()
	r, err := ring.New(seg.Mem, seg.Map)
	if err != nil {
		return err
	}
	f(seg, r)
	return nil
}
