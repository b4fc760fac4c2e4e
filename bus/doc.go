// Package bus carries messages between unrelated processes of one Linux host, through shared memory.
//
//	b, err := bus.Open("prices")
//	defer b.Close()
//
//	p, err := b.Publisher("eu.equities.SAP")
//	err = p.Publish(ctx, Quote{Bid: 101.5, Ask: 101.6})
//
//	s, err := b.Subscribe("eu.>", bus.Reliable())
//	for m, err := range s.All(ctx) {
//		…
//	}
//
// A bus is one System V shared-memory segment and one semaphore set. It is made by [Create] (or the
// daemon busd), found by its name, and lasts until [Remove]. Messages are msgpack
// frames on topics: dot-separated words, of which patterns match one with * and the rest with >.
//
// # Promises
//
//  1. One order. Every subscriber sees the same messages in the same order, that of their positions.
//     Messages of one publisher keep the order in which it published them.
//  2. All or nothing. A frame is visible whole or not at all, whatever happens to its publisher.
//  3. Nobody waits for the dead or the stopped. A publisher that is killed or stopped, at any instruction,
//     delays no other process and nobody else's messages. (Stopped between making its own message, or a few of a batch, visible and waking
//     who sleeps, it leaves them asleep until it continues or dies or the next message wakes them.) A dead subscriber delays nobody for longer than the kernel takes
//     to report its death, plus a few milliseconds; that goes for publishers with [NoWait] as well.
//  4. Loss is a number. A subscriber that may lose messages learns how many positions it
//     lost, and which: see [LossError].
//  5. No loss where none is allowed. A reliable subscriber ([Reliable]) sees every message published
//     while it lived. Publishers wait for it, each as long as its context says or not at all ([NoWait]), and
//     the subscriber's policy says for how long at most ([EvictAfter], [DemoteAfter]): as long as it does not move, as seen by
//     one publisher that has no room because of it. No subscriber is cut off that has moved since, or joined since. A publisher
//     that gives up learns for whom it waited: see [FullError].
//  6. Idle costs nothing, and sleeping costs no message. Nobody uses the processor while idle. A publish makes no
//     system call unless somebody who wants that message is asleep, or anybody is just falling asleep. No wake-up is lost, also when the waker dies.
//  7. Late joiners choose: from now ([FromNow]), from the oldest message held ([FromOldest]), or
//     from a position ([FromPosition]).
//  8. No daemon is on the data path. busd watches and reports; without it everything flows.
//  9. A bad segment is an error, not a crash. Every value read from shared memory is loaded once, then bounded. One that is
//     removed, in whatever manner, ends every call that waits on it, with [ErrRemoved], within 100 ms (where nothing has begun to wait
//     for long and only the segment was removed, within about a second).
//
// # Reliable subscriptions and the ring
//
// A reliable subscription is kept what it has not read, and with it all that was published after that, on whatever topic: once it is a lap
// behind, publishers of all topics wait. A subscription that waits in a call is moved on past messages that it does not
// want. One that is outside a call is not: if it reads nothing for long, because its topics are quiet and its program does something
// else, it holds the publishers of busy topics after one lap. Let a goroutine wait in Next or All, or give the
// subscription an end to its patience.
//
// A goroutine that publishes to a reliable subscription of its own, and reads it afterwards, waits for itself as soon as the ring is
// full: until its context ends, and with one that does not end, for ever. Nothing tells it from a program in which another
// goroutine reads. The [FullError] says that the subscription is one of the very handle that publishes.
//
// A message takes half of the ring's slots at most ([WithMaxFrame]). Then it is there as a whole for a subscriber that was asleep when
// it began, for which nobody waits.
//
// # Concurrency
//
// A [Bus] may be used by any number of goroutines. A [Publisher] and a [Subscription] are for one goroutine
// at a time; make as many as needed. Close may be called on all of them from any goroutine, more
// than once, and ends calls that wait, with [ErrClosed].
//
// A thousand subscriptions of one Bus sleep with one thread: the first that has to wait makes
// the system call for all. One more thread listens for the death of other processes, and a timer looks now and then whether
// the bus is still there.
//
// # Ownership of memory
//
// A [Message] that [Subscription.Next] returns holds a copy; its Raw slice is valid until the next call on
// the same subscription. Inside [Subscription.Read] the frame is seen in place, without a copy.
// [Subscription.ReceiveBatch] copies each of its messages to memory that is theirs until the next call.
//
// # Latency and throughput
//
// A subscription that has caught up with a stream of messages that come without a pause rests for some microseconds before it looks
// again, about 10 at most ([Spin]: 2 to 3), since each look takes cache lines from the publisher. One whose messages come one by one
// does not rest, but for a try now and then. [Publisher.PublishBatch] and [Subscription.ReceiveBatch] spare calls, and let
// several messages be under way at once.
//
// # Observers
//
// [Observe] attaches the memory so that the kernel refuses any write, for which read permission is enough.
// [Observer.Subscribe] receives as a lossy subscription does, by polling: nobody sees an observer, waits for it or wakes it.
//
// # What a process must not do
//
// The kernel keeps a process's liveness across execve: a program that replaces itself while it has a bus
// open remains a client of it until it ends. After fork without exec the child must not use the bus.
package bus
