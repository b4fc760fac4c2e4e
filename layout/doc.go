// Package layout says where every byte of a bus segment is and what the
// words in it mean. It makes no system call and touches no shared memory; the
// packages that do (ring, bus) take every offset and every bit from here.
//
// A segment is, in this order:
//
//	header       4096 bytes: identity, geometry, counters, bitmaps
//	clients      one record of 128 bytes each
//	publishers   one record of 384 bytes each
//	subscribers  one record of 512 bytes each
//	topics       one record of 256 bytes each
//	interest     per topic, one bit for each subscriber
//	entries      the ring: N words of 8 bytes
//	slots        N + publishers*owned slots of equal size
//
// All integers are little-endian. Words that different processes write stand
// [Line] bytes apart, because processors fetch cache lines of 64 bytes in pairs.
// docs/layout.md draws the same for readers who do not read Go; the tests of this
// package hold both to the constants below.
package layout
