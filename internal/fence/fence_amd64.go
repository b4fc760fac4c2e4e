//go:build amd64 && !race

package fence

// On amd64 loads are not reordered with loads, nor stores with stores, and no store passes an
// earlier load (Intel SDM vol. 3, 9.2.2); the compiler keeps the order of memory operations. So
// plain instructions have the orderings that the functions below promise.

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = false

// Store stores v in a word that only this goroutine writes. A later release store or
// compare-and-swap makes it visible.
func Store(p *uint64, v uint64) { *p = v }

// StoreRelease stores v after all earlier loads and stores.
func StoreRelease(p *uint64, v uint64) { *p = v }

// Loads is a barrier: all loads before it come before all loads and stores after it.
func Loads() {}

// Full is a barrier: all loads and stores before it, such as those of a compare-and-swap, come
// before all stores after it.
func Full() {}

// Pause executes PAUSE, for loops that wait for another processor. It takes 10 to 40 ns.
func Pause()

// PrefetchWrite fetches the cache line at p for a write that follows soon (PREFETCHW).
//
//go:noescape
func PrefetchWrite(p *uint64)
