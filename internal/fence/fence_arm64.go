//go:build arm64 && !race

package fence

import "sync/atomic"

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = false

// Store stores a word that only this goroutine writes and that a later release
// store or compare-and-swap publishes.
func Store(p *uint64, v uint64) { *p = v }

// StoreRelease stores v after everything before it (STLR).
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// Loads keeps later loads and stores behind earlier loads (DMB ISHLD).
//
//go:noescape
func Loads()

// Full keeps everything later behind everything earlier (DMB ISH). A
// compare-and-swap alone does not: a later store may become visible before its store part.
//
//go:noescape
func Full()

// Pause lets some 10 to 20 ns pass in a loop that waits for another processor (ISB). YIELD, which is meant for it, is
// an instruction that the usual processors do not wait for: all waits counted in pauses would be tens of times shorter.
//
//go:noescape
func Pause()

// PrefetchWrite asks for the cache line at p, to be written soon (PRFM PSTL1KEEP).
//
//go:noescape
func PrefetchWrite(p *uint64)
