// Package layout defines where every byte of a bus segment is and what the words in it mean. It
// makes no system call, and touches no shared memory except in [DecodeHeader]. The packages that
// work on shared memory (ring, bus and those under internal) take every offset and every bit from
// here.
//
// A segment consists of these sections, in this order:
//
//	header       4096 bytes: identity, geometry, counters, bitmaps
//	clients      one record of 128 bytes each
//	publishers   one record of 384 bytes each
//	subscribers  one record of 512 bytes each
//	topics       one record of 256 bytes each
//	interest     for each topic, one bit for each subscriber
//	entries      the ring: N words of 8 bytes
//	slots        N + publishers*owned slots of equal size
//
// All integers are little-endian. A word has 8 bytes, is aligned to 8, and is loaded and stored as
// a whole. Words that different processes write are [Line] bytes apart, because processors fetch
// cache lines of 64 bytes in pairs.
//
// The comments on the offsets say who writes and who reads each word, and with which ordering.
// Plain means an ordinary load or store of the word. Atomic means sync/atomic, which is
// sequentially consistent. Release means a store that becomes visible after all loads and stores
// before it. "Displays" are programs that show a bus to people, such as busd status: no protocol
// depends on what they read.
//
// docs/layout.md has the same for readers who do not read Go; the tests of this package compare it
// with the constants below.
package layout
