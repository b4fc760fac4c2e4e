// Package sysvshm gives Go programs System V shared memory: shmget, shmat, shmdt,
// every command of shmctl, and ftok, on Linux, without cgo.
//
// # Verbs
//
//	Ftok             make a key from a file and a project number
//	Get              create a segment, or find it by its key
//	FromID           take an identifier that came from elsewhere
//	Segment.Attach   map the segment into this process
//	Mapping.Bytes    the memory, as a slice
//	Mapping.DontDump keep it out of core dumps
//	Mapping.Detach   unmap it
//	Segment.Remove   destroy the segment once nobody has it attached
//
// A [Segment] holds nothing but the identifier and needs no closing. A [Mapping]
// is a place in the address space and lasts until Detach or the end of the process.
//
// # Memory that is not Go's
//
// The slice of a [Mapping] is outside the Go heap. The garbage collector neither
// frees nor scans it: no Go pointer may be stored in it. After [Mapping.Detach] any
// access through a slice taken before is a fault that ends the program, as is
// a write to a read-only mapping. Other processes change the memory at any time, and
// the race detector does not see them: use sync/atomic for every word that two
// processes touch, load a peer's value once, and check it before use.
//
// # Lifetime
//
// A segment outlives its creator. [Segment.Remove] marks it for destruction, and the
// kernel frees it when the last process has detached it. Until then processes that
// have it attached keep it, and every process that knows the identifier may still
// attach it. A usual pattern for memory shared with children is to attach and remove
// at once: then nothing can be left over.
//
// # Errors
//
// Operation errors are of type [*Error]. errors.Is finds in them the errno, the
// sentinels of this package, and those of package os where they fit. Where a
// kernel limit is at fault, the text names it, its value, and how to raise it.
//
// # Other systems
//
// The package compiles on every system, and works on Linux. Elsewhere each call returns an error
// that is errors.ErrUnsupported and says so.
package sysvshm
