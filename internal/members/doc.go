// Package members is who takes part in a bus: how a process joins it and leaves, how its death is
// heard, what becomes of what it had, and how it learns that the bus itself is gone.
//
// A client is a record in the segment, named by a [layout.Owner]: record and generation. [Join]
// takes a record, [Leave] gives it back. A [Member] is the client that this process is, with its
// goroutines: one that hears of deaths and one that looks whether the bus is still there.
//
// # Life
//
// Client c lives while semaphore SemLive(c) is 1. The client raises it with an undo that the kernel
// runs when the process ends, however it ends, and that raises the death bell as well. No pid,
// heartbeat or timeout takes part. See section 4, "The living and the dead", of docs/design.md.
//
// # Death
//
// The bell is a semaphore whose value only grows. Each handle that sleeps waits for a value above
// the one it has read, so each hears of each death ([Member.PrepareToSleep]), as does whoever asks
// for it ([Member.WatchDeaths]). The first that marks the client's record dead counts the death and
// reclaims the records of the dead; all others wake those of their own waiters to whom the dead may
// have owed a wake-up. Nobody waits for the one that reclaims: gates of the dead are opened, and
// their records taken over, by whoever needs them.
//
// # Records
//
// A publisher or subscriber record belongs to the client that its owner word names. It is free if
// the word is 0 or names a client that is dead, and it is taken by compare-and-swap:
// [Member.TakePublisher], [Member.TakeSubscriber]. Whoever takes over the record of a dead client
// brings it into the state of a free one first.
//
// # Presence
//
// The kernel tells nobody that a segment was removed by its identifier, so members that wait look
// in turn: see [Member.BeginWait], and section 7 of docs/design.md.
package members
