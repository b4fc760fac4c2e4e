// Package members handles the clients of a bus: how a process joins and leaves, how its death is
// heard, what happens to its records, and how a client learns that the bus itself is gone.
//
// A client is a record in the segment, named by a [layout.Owner]: record and generation. [Join]
// takes a record, [Leave] gives it back. A [Member] is the client of one handle, with its
// goroutines: one hears of deaths, one checks whether the bus is still there.
//
// # Life
//
// Client c lives while semaphore SemLive(c) is 1. The client raises it with an undo. The kernel
// runs the undo when the process ends, however it ends, and so also raises the death bell. No pid,
// heartbeat or timeout takes part. See section 4, "The living and the dead", of docs/design.md.
//
// # Death
//
// The bell is a semaphore whose value grows with each death. Each handle that sleeps waits for a
// value above the one that it has read, so each hears of each death ([Member.PrepareToSleep]), and
// so does each call of [Member.WatchDeaths]. The first process that marks the client's record dead
// counts the death and reclaims the records of the dead. All others wake those of their own waiters
// to which the dead may have owed a wake-up. Nobody waits for the process that reclaims: a process
// that needs an open gate or a record of the dead opens or takes it itself.
//
// # Records
//
// A publisher or subscriber record belongs to the client that its owner word names. It is free if
// the word is 0 or names a client that is dead, and it is taken by compare-and-swap:
// [Member.TakePublisher], [Member.TakeSubscriber]. A client that takes over the record of a dead
// one brings it into the state of a free record first.
//
// # Presence
//
// The kernel tells nobody that a segment was removed by its identifier, so members that wait check
// it in turn: see [Member.BeginWait], and section 7 of docs/design.md.
package members
