// Package ring is the exchange ring of a bus: messages in one order, published with one
// compare-and-swap each, by any number of publishers to any number of readers, none of whom
// can hold up another by being stopped or killed.
//
// It works on memory that its caller supplies, in the layout of package layout: a shared segment, a
// mapped file, or the heap. It makes no system call, never sleeps, and knows no names. What a publisher
// record or a subscriber record belongs to, and who may use it, is its caller's business;
// exactly one [Publisher] may use a publisher record at a time, exactly one [Cursor] a subscriber record.
//
// # The protocol
//
// Position p lives in entry p mod N, a word lap:32 tag:12 slot:20 with lap = p div N + 1. Initially entry i
// is {0, 0, i}, and publisher record r owns the slots N+r*K … N+r*K+K-1.
//
// To publish at p, a publisher fills a slot that its record owns, and when entry p still has the
// lap before that of p, it
//
//  1. stores p in the slot's header,
//  2. stores p+1 in its record's intent,
//  3. stores {slot, displaced} in its record's pair,
//  4. exchanges the entry by compare-and-swap,
//  5. stores {displaced, displaced} in its pair.
//
// Step 4 makes the message visible, whole. It fails only when another publisher has used p,
// and then p+1 is tried. Steps 1 to 3 and 5 are plain stores to lines of the publisher's own. A position is only
// attempted after the one before it was seen filled: the filled positions are a prefix of all.
//
// To read at c, a reader loads entry c. The lap before that of c means that there is nothing yet. The lap of c means
// that the slot may be read, and that what was read is valid if the entry, loaded again, has not changed. A later lap means
// that c is lost: [Cursor.Jump] moves on and says how many positions were passed over.
//
// Laps are compared modulo 2^32. Whoever uses a ring moves its certified position (layout.HeaderCertified) on, at least every
// 2^30 laps, to a position below which everything is published: who was idle for longer goes on from there. Package bus does so
// several times in each lap.
//
// docs/design.md proves what follows from this; model/ checks it exhaustively.
package ring
