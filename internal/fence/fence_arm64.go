//go:build arm64 && !race

package fence

import "sync/atomic"

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = false

// Store stores v in a word that only this goroutine writes. A later release store or
// compare-and-swap makes it visible.
func Store(p *uint64, v uint64) { *p = v }

// StoreRelease stores v after all earlier loads and stores (STLR).
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// Loads is a barrier: all loads before it come before all loads and stores after it (DMB ISHLD).
//
//go:noescape
func Loads()

// Full is a barrier: all loads and stores before it come before all loads and stores after it (DMB
// ISH). A compare-and-swap alone does not give this order: a later store may become visible before
// the store of the compare-and-swap.
//
//go:noescape
func Full()

// Pause executes ISB, for loops that wait for another processor. It takes 10 to 20 ns. YIELD is
// meant for such loops, but takes no time on most processors, so a wait of a fixed number of pauses
// would be tens of times shorter.
//
//go:noescape
func Pause()

// PrefetchWrite fetches the cache line at p for a write that follows soon (PRFM PSTL1KEEP).
//
//go:noescape
func PrefetchWrite(p *uint64)
