// Package ring implements the exchange ring of a bus: a broadcast ring in memory that processes
// share. Any number of publishers put messages into one order, with one compare-and-swap for each
// message, and any number of readers read all of them. A publisher or reader that is stopped or
// killed between any two instructions delays nobody else, with one exception: publishers wait for a
// reliable reader that falls behind, until it reads on or somebody opens its gate.
//
// # What to use
//
// Ten names are for users of the ring:
//
//   - [Ring], from [New] over memory that processes share, or from [NewHeap] for one process;
//   - [Publisher], from [Ring.Publisher]: fill a slot with Fill or Payload, publish it with
//     Exchange, and call Rescan when that returns Limit;
//   - [Cursor], from [Ring.Join] or [Ring.Reader] with a [Start]: Peek, then Read, or View and
//     Valid, then Advance; and Jump when messages were lost;
//   - [Status], how an attempt ended, and the errors [ErrCorrupt] and [ErrUnsettled];
//   - [Books], the result of [Ring.Audit], to check a ring after crashes.
//
// The other names are for package bus. [Slot], [Loaded], [Frame], [Match] and [ByWords], with the
// methods of Publisher and Cursor that take or return them, are the steps of the fast path, in
// fast.go. Package bus inlines them: with one call into this package for each message, publishing
// and receiving together took 1.2 times as long. [Blocker] is for publishers that open the gates of
// slow readers.
//
// # What the caller provides
//
// The ring works on memory that its caller supplies, in the layout of package layout: a shared
// segment, a mapped file, or the heap. It makes no system call, never sleeps, and knows no topic
// names. The caller must ensure
//
//   - that all processes use the same geometry, and that one of them formats the ring, in zeroed
//     memory, before others use it;
//   - that at most one [Publisher] uses a publisher record at a time, and at most one [Cursor] a
//     subscriber record. The record of an owner that is known to be dead may be used again:
//     [Ring.Publisher] settles what the dead one left;
//   - that the gate of a reliable reader that has died is opened ([Ring.OpenGate]), because
//     otherwise publishers wait for ever;
//   - that readers and publishers have a way to wait, unless they may spin;
//   - that the certified position (layout.HeaderCertified) is raised at least once in 2^30 laps,
//     to a position below which everything is published. Laps are compared modulo 2^32. A
//     publisher or reader that was idle while laps could wrap continues from the certified
//     position. Package bus raises it several times in each lap. A ring that never reaches 2^31
//     laps needs no certified position.
//
// # The protocol
//
// N is the number of entries and K the number of slots that each publisher record owns. Position p
// is stored in entry p mod N, a word lap:32 tag:12 slot:20 with lap = p div N + 1. Initially entry
// i is {0, 0, i}, and publisher record r owns the slots N+r*K … N+r*K+K-1.
//
// To publish at position p, a publisher fills a slot that its record owns, loads entry p, and sees
// that it still has the lap before that of p. Then it
//
//  1. stores p in the slot's header,
//  2. stores p+1 in its record's intent,
//  3. stores {slot, displaced} in its record's pair, where displaced is the slot in the entry,
//  4. exchanges the entry, by compare-and-swap, for one with its lap, tag and slot,
//  5. stores {displaced, displaced} in the pair.
//
// Step 4 makes the whole message visible. It fails only if another publisher has used p; then the
// publisher tries p+1. Steps 1 to 3 and 5 are plain stores to the publisher's own cache lines. A
// publisher attempts a position only after it has seen the one before it filled, so the filled
// positions are a prefix of all positions.
//
// To read position c, a reader
//
//	a. loads the entry of c: if its lap is the one before that of c, there is no message yet; if
//	   it is that of c, there is a message; if it is later, the message was overwritten,
//	b. loads the slot's header and payload,
//	c. loads the position in the slot and then the entry again: if the position is c and the
//	   entry has not changed, what was loaded in step b is what was published at c,
//	d. stores c+1 in its cursor.
//
// If c was overwritten, [Cursor.Jump] moves on and says which positions were lost.
//
// docs/design.md proves what follows from this; ring/model checks it exhaustively.
package ring
