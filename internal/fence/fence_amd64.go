//go:build amd64 && !race

package fence

// On amd64 loads are not reordered with loads, nor stores with stores, and no store
// passes an earlier load (Intel SDM vol. 3, 9.2.2); the compiler keeps the order of memory
// operations. So plain instructions do what the named orderings ask for.

// RaceEnabled reports whether every store goes through sync/atomic.
const RaceEnabled = false

// Store stores a word that only this goroutine writes and that a later release
// store or compare-and-swap publishes.
func Store(p *uint64, v uint64) { *p = v }

// StoreRelease stores v after everything before it.
func StoreRelease(p *uint64, v uint64) { *p = v }

// Loads keeps later loads behind earlier ones.
func Loads() {}

// Full keeps later stores behind an earlier compare-and-swap.
func Full() {}

// Pause lets some 10 to 40 ns pass in a loop that waits for another processor (PAUSE).
func Pause()

// PrefetchWrite asks for the cache line at p, to be written soon (PREFETCHW).
//
//go:noescape
func PrefetchWrite(p *uint64)
