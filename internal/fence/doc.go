// Package fence has the memory orderings that protocols in shared memory need and that sync/atomic
// offers only in a more expensive form. A release store is a plain store on amd64. A barrier is no
// instruction on amd64, and one instruction on arm64.
//
// In race-detector builds all stores go through sync/atomic, so that the detector sees them.
package fence
