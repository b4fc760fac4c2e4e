// Package fence has the few memory orderings that shared memory between processes needs and
// sync/atomic offers only in a more expensive form: a release store that is a plain store on amd64,
// and barriers that are nothing there and one instruction on arm64.
//
// In race-detector builds all stores go through sync/atomic, so that the detector sees them.
package fence
