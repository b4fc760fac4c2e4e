package bus

import (
	"errors"

	"shmbus/sysvshm"
)

// ErrNotKept says that the kernel destroys the bus when this handle is closed; see [Bus.Kept].
var ErrNotKept = errors.New("nobody else has the bus attached, and the kernel destroys it with its " +
	"messages when this process leaves: let busd serve it, or set kernel.shm_rmid_forced to 0 (sysctl -w kernel.shm_rmid_forced=0)")

// Kept returns nil if the bus stays when this handle is closed. With kernel.shm_rmid_forced=1,
// which some hardened hosts and containers set, the kernel removes a segment together with its last
// mapping, whatever is in it. Then Kept returns [ErrNotKept] if nobody else has the bus attached at
// this moment. A program that publishes and ends should call Kept before it closes the bus.
func (b *Bus) Kept() error {
	if err := b.adopt(); err != nil {
		return err
	}
	defer b.unref()
	if !sysvshm.ForcedRemoval() {
		return nil
	}
	if st, err := b.seg.Shm.Stat(); err == nil && st.Attached > 1 {
		return nil
	}
	return ErrNotKept
}
