// Package fence has the memory orderings that protocols in shared memory need, where sync/atomic
// offers them only in a more expensive form: a release store, which is a plain store on amd64, and
// barriers, which are nothing on amd64 and one instruction on arm64.
//
// In race-detector builds all stores go through sync/atomic, so that the detector sees them.
package fence
