package ring

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

// A certified position that was damaged, and is beyond the head, misleads no search for the head.
func TestCertifiedBeyondTheHead(t *testing.T) {
	r := newRing(t, benchGeometry(48, 1))
	p := openPublisher(t, r, 0)
	for range 5 {
		benchPublish(p, []byte{1})
	}
	for _, wrong := range []uint64{6, 100, 1 << 40, ^uint64(0)} {
		atomic.StoreUint64(r.word(layout.HeaderCertified), wrong)
		require.EqualValues(t, 5, r.Head(), "%d", wrong)
		require.EqualValues(t, 5, r.headFrom(0), "%d", wrong)
	}
}
