package segment_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/leak"
	"shmbus/internal/segment/segtest"
	"shmbus/layout"
	"shmbus/sysvsem"
)

func TestMain(m *testing.M) { leak.Main(m) }

// After a client's death neither Alive nor a new census ever says that it is alive, though the next
// client of the record may have joined before the answer. A goroutine does to the record what
// clients do that join and die in it, one after the other.
func TestTheDeadAreNotTakenForTheirHeirs(t *testing.T) {
	seg, c := segtest.New(t), 3
	state := seg.Client(c, layout.ClientStateWord)
	live := func(by int16) {
		op := []sysvsem.Op{{Num: layout.SemLive(c), Op: by, Flags: sysvsem.NoWait}}
		require.NoError(t, seg.Set.TryOp(op))
	}
	var dead atomic.Uint32
	set := func(generation, st uint32) {
		atomic.StoreUint64(state, uint64(layout.MakeClientState(generation, st)))
	}
	set(1, layout.ClientJoined)
	dead.Store(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for g := uint32(1); g < 60_000; g++ {
			live(layout.LiveJoining)
			set(g, layout.ClientDead)
			live(layout.LiveJoined - layout.LiveJoining)
			set(g+1, layout.ClientJoined)
			live(-layout.LiveJoined)
			dead.Store(g + 1)
		}
	}()
	for {
		o := layout.MakeOwner(c, dead.Load(), layout.OwnerHeld)
		if seg.Alive(o) || seg.Census()(o) {
			<-done
			t.Fatalf("client %d, generation %d, was dead when it was asked for", c, o.Generation())
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
