//go:build arm64 && !race

package fence

import "sync/atomic"

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = false

// Store stores v in a word that only this goroutine writes. A later release store or
// compare-and-swap makes it visible.
func Store(p *uint64, v uint64) { *p = v }

// StoreRelease stores v; all loads and stores before it come first (STLR).
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// Loads is a barrier: all loads before it come before all loads and stores after it (DMB ISHLD).
//
//go:noescape
func Loads()

// Full is a barrier: all loads and stores before it come before all after it (DMB ISH). A
// compare-and-swap alone does not order them: a later store may become visible before the store of
// the compare-and-swap.
//
//go:noescape
func Full()

// Pause takes 10 to 20 ns, for loops that wait for another processor (ISB). YIELD is meant for such
// loops, but takes no time on most processors: all waits counted in pauses would be tens of times
// shorter.
//
//go:noescape
func Pause()

// PrefetchWrite asks the processor for the cache line at p, to be written soon (PRFM PSTL1KEEP).
//
//go:noescape
func PrefetchWrite(p *uint64)
