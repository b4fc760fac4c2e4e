//go:build race

package fence

import (
	"runtime"
	"sync/atomic"
)

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = true

// Store stores a word that only this goroutine writes.
func Store(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// StoreRelease stores v after everything before it.
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// Loads keeps later loads behind earlier ones; the atomic loads of race builds do.
func Loads() {}

// Full keeps later stores behind an earlier compare-and-swap; the atomic stores of race builds do.
func Full() {}

// Pause lets other goroutines run.
func Pause() { runtime.Gosched() }

// PrefetchWrite asks for the cache line at p, to be written soon: here not.
func PrefetchWrite(*uint64) {}
