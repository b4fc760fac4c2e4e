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
// goroutine reads. Give publishing a context that ends, or use [NoWait]: the [FullError] says that the subscription is one of
// the very handle that publishes.
//
// A message takes half of the ring's slots at most ([WithMaxFrame]). Then it is there as a whole for a subscriber that was asleep when
// it began, for which nobody waits.
//
// # Concurrency
//
// A [Bus], a [Publisher] and a [Subscription] may be used by any number of goroutines. Calls on one
// Publisher, or on one Subscription, take turns in the order in which they came. A call that waits
// for its turn leaves when its context ends. Each message that a Subscription receives goes to one
// of the goroutines that call it. [Subscription.TryNext] does not wait for its turn either: it
// returns [ErrEmpty] while another goroutine receives.
//
// [Bus.Publish] and [Bus.PublishRaw] need no Publisher and take any number of topics. A handle keeps
// a few publisher records for them, as many as there are calls at a time but no more than 16 nor than
// a quarter of the bus's table, and gives back those that were not used for a second. Messages that
// one goroutine publishes keep their order, in whatever way it publishes them.
//
// [Exclusive] asks for a Publisher or a Subscription that is for one goroutine at a time: it takes
// no turns and lends memory instead of copying. Calls on it that overlap are an error in the program.
// Most of them return [ErrBusy], but not all: two goroutines that share an exclusive Publisher can
// damage the bus for every process. Without Exclusive no use of this package damages a bus.
//
// Code of the caller's never runs while other calls wait for it, but for the callback of
// [Subscription.Read]: other calls on the subscription wait until it returns, and a call on the
// same subscription from within it returns [ErrBusy]. (One in another goroutine that the callback waits
// for ends with its context, or never.) A panic or runtime.Goexit in the caller's code, be it
// an encoder, a callback or the body of a loop, leaves nothing held.
//
// Close may be called by any goroutine, more than once, and from within callbacks. It ends calls that
// wait, with [ErrClosed], and returns when no call is in progress, callbacks excepted. A Publisher
// or Subscription that the program drops without Close is closed when the garbage collector finds
// that out; until then publishers wait for a reliable one.
//
// A thousand subscriptions of one Bus sleep with one thread: the first that has to wait makes
// the system call for all. One more thread listens for the death of other processes, and a timer looks now and then whether
// the bus is still there.
//
// # Contexts
//
// Every call that takes a context looks at it before it does anything else, and returns its error if
// it has ended, also where there is room or a message; calls for many messages look again between
// them. An exclusive Publisher or Subscription looks when it has to wait, and otherwise at the
// latest at each 64th message. A nil context is an error, [ErrInvalid].
//
// # Values
//
// A value arrives as what it was, or there is a [*DecodeError] that says which message, which part of it and why: nothing
// wraps around, is cut off or rounded without a word. A frame may hold anything that its publisher likes; whoever decodes it
// neither recurses deeper than 1,000 levels nor allocates for what it only announces. docs/values.md says
// what becomes of each type.
//
// # Ownership of memory
//
// What a call returns or fills in is the caller's: the Raw slice of a [Message] holds a copy.
// [Subscription.Next] and [Subscription.TryNext] allocate it. [Subscription.Receive] and
// [Subscription.ReceiveBatch] use the capacity of the Raw that they find, so a loop with one
// variable allocates nothing. Frames to be published are copied before the call returns.
//
// Memory of the bus itself is seen in two places, with no capacity beyond its length: the [View] in
// [Subscription.Read], until the callback returns, and [Reservation.Bytes], until Commit or Abort.
// Who keeps such a slice reads what others publish later, and who writes to it spoils the content of
// messages, nothing more; once the handle is closed, touching it ends the program.
//
// With [Exclusive], Raw is valid until the next call on the same subscription, also that of ReceiveBatch.
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
