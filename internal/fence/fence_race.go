//go:build race

package fence

import (
	"runtime"
	"sync/atomic"
)

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = true

// Store stores v in a word that only this goroutine writes.
func Store(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// StoreRelease stores v after all earlier loads and stores.
func StoreRelease(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// Loads does nothing: the loads of race-detector builds are atomic and keep their order.
func Loads() {}

// Full does nothing: the stores of race-detector builds are atomic and keep their order.
func Full() {}

// Pause lets other goroutines run.
func Pause() { runtime.Gosched() }

// PrefetchWrite does nothing.
func PrefetchWrite(*uint64) {}
