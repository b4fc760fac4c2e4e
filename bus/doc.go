// Package bus carries messages between unrelated processes of one Linux host, through shared
// memory.
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
// A bus is one System V shared-memory segment and one semaphore set. [Create] makes it, as does
// the daemon busd; processes find it by its name; it lasts until [Remove]. Messages are msgpack
// frames on topics, which are words separated by dots. In a pattern, * matches one word, and a
// last word > matches one or more.
//
// # Promises
//
//  1. One order. Every subscriber sees the same messages in the same order, that of their
//     positions. Messages of one publisher keep the order in which it published them.
//  2. All or nothing. A frame is visible whole or not at all, whatever happens to its publisher.
//  3. Nobody waits for the dead or the stopped. A publisher that is killed or stopped, at any
//     instruction, delays no other process and no other publisher's messages. The one exception: a
//     publisher stopped after it published and before it woke the sleepers leaves them asleep
//     until it continues, dies, or another message arrives. A dead subscriber delays publishers,
//     also those with [NoWait], for as long as the kernel takes to report its death, plus a few
//     milliseconds.
//  4. Loss is a number. A subscriber that may lose messages learns how many positions it lost, and
//     which: see [LossError].
//  5. No loss where none is allowed. A reliable subscriber ([Reliable]) sees every message
//     published while it lived. Publishers wait for it, each until its context ends or not at all
//     ([NoWait]). The subscriber's policy ([EvictAfter], [DemoteAfter]) limits how long one
//     publisher without room waits for it while it does not move. A subscriber that has moved or
//     joined within that time is not cut off. A publisher that gives up learns for which
//     subscriber it waited: see [FullError].
//  6. Idle costs nothing, and sleeping costs no message. An idle client uses no processor time. A
//     publish makes no system call unless a subscriber that wants the message is asleep, or some
//     subscriber is just falling asleep. No wake-up is lost, even if the waker dies.
//  7. Late joiners choose: from now ([FromNow]), from the oldest message held ([FromOldest]), or
//     from a position ([FromPosition]).
//  8. No daemon is on the data path. busd watches and reports; without it everything works.
//  9. A bad segment is an error, not a crash. Every value read from shared memory is loaded once,
//     then bounded. The removal of a bus, in whatever manner, ends every call that waits on it,
//     with [ErrRemoved], within 100 ms. It takes about a second where only the segment was
//     removed, by its identifier, and nothing of any client has begun to wait for five seconds.
//  10. An error says what failed. It names the operation, the bus and the topic ([OpError]), and
//     the process, its name and its lag where a publisher waited for somebody ([FullError]).
//     errors.Is finds the sentinel, and, where a context ended the wait, the context's error as
//     well.
//
// # Opening, and what follows a removal
//
//  1. [Open] returns at once: the bus, or an error that says which buses there are. With
//     [WaitForBus] it waits until the bus exists, or a context ends.
//  2. Handles, publishers and subscriptions belong to one bus. After its removal every call on
//     them returns [ErrRemoved]. A handle does not reopen in place, because the positions of the
//     next bus start again at 0: [Bus.UUID] tells the two apart.
//  3. Close the handle and open the next bus of the name, or let [Follow] do both.
//  4. [Bus.WaitForSubscribers] returns when a given number of subscriptions want a topic. Each of
//     them receives what is published on the topic afterwards.
//  5. [Bus.WatchClients] reports which clients join, leave and die. [Bus.WatchDeaths] reports
//     deaths only, and costs nothing while no client dies.
//
// # Reliable subscriptions and the ring
//
// The ring keeps for a reliable subscription what it has not read, and with it everything published
// after that, on whatever topic. Once the subscription is a lap behind, publishers of all topics
// wait. A subscription that waits in a call is moved on past messages that it does not want. A
// subscription that is not in a call stays where it is: if its topics are quiet and its program
// does something else, it holds the publishers of busy topics after one lap. Let a goroutine wait
// in Next or All, or give the subscription a policy that ends the wait.
//
// A goroutine that publishes to a reliable subscription of its own, and reads it afterwards, waits
// for itself as soon as the ring is full. The wait ends with its context, and never if the context
// does not end: the bus cannot tell this program from one in which another goroutine reads. Publish
// with a context that ends, or with [NoWait]. [FullError] has Self set in this case.
//
// A message takes half of the ring's slots at most ([WithMaxFrame]). A subscriber that was asleep
// when the message began, and for which nobody waits, can therefore still read all of it.
//
// # Concurrency
//
//  1. A [Bus], a [Publisher] and a [Subscription] may be used by any number of goroutines. Calls
//     on one Publisher, or on one Subscription, take turns in the order in which they came. A call
//     that waits for its turn leaves when its context ends. Each message that a Subscription
//     receives goes to one of the goroutines that call it. [Subscription.TryNext] does not wait
//     for its turn: it returns [ErrEmpty] while another goroutine receives.
//  2. [Bus.Publish] and [Bus.PublishRaw] need no Publisher and take any number of topics. A handle
//     keeps publisher records for them: as many as there are calls at a time, but at most 16, and
//     at most a quarter of the bus's table. It gives back those that were not used for a second.
//     Messages that one goroutine publishes keep their order, in whatever way it publishes them.
//  3. [Exclusive] asks for a Publisher or a Subscription that one goroutine uses at a time. It
//     takes no turns, and lends memory instead of copying. Calls on it that overlap are an error
//     in the program. Most of them return [ErrBusy], but not all: two goroutines that share an
//     exclusive Publisher can damage the bus for every process. Without Exclusive no use of this
//     package damages a bus.
//  4. The caller's code never runs while other calls wait for it, with one exception: while the
//     callback of [Subscription.Read] runs, other calls on the subscription wait. A call on the
//     same subscription from within the callback returns [ErrBusy]; one in another goroutine, for
//     which the callback waits, ends with its context only. A panic or runtime.Goexit in the
//     caller's code, in an encoder, a callback or the body of a loop, leaves nothing held.
//  5. Close may be called by any goroutine, more than once, and from within callbacks. It ends
//     calls that wait, with [ErrClosed], and returns when no call is in progress, callbacks
//     excepted. The garbage collector closes a Publisher or Subscription that the program drops
//     without Close; until then publishers wait for a reliable one.
//  6. A thousand subscriptions of one Bus sleep with one thread: the first that has to wait makes
//     the system call for all. One more thread listens for the death of other processes, and a
//     timer looks now and then whether the bus is still there.
//
// # Contexts
//
// Every call that takes a context checks it first, and returns its error if it has ended, even if
// there is room or a message. Calls for many messages check it again between messages. An exclusive
// Publisher or Subscription checks it when it has to wait, and otherwise at least once in 64
// messages. A nil context is an error, [ErrInvalid].
//
// # Values
//
// A value is decoded exactly, or a [*DecodeError] says which message could not be decoded, which
// part of it, and why: nothing wraps around, is cut off or is rounded silently. A publisher may put
// any msgpack into a frame. Decoding neither recurses deeper than 1,000 levels nor allocates memory
// for content that a frame only announces. docs/values.md lists what each type is decoded into.
//
// # Ownership of memory
//
// Memory that a call returns or fills in belongs to the caller: the Raw slice of a [Message] holds
// a copy. [Subscription.Next] and [Subscription.TryNext] allocate it. [Subscription.Receive] and
// [Subscription.ReceiveBatch] use the capacity of the Raw slice that the caller passes, so a loop
// with one variable allocates nothing. Publishing copies a frame before the call returns.
//
// A program sees memory of the bus itself in two places: the [View] in [Subscription.Read], until
// the callback returns, and [Reservation.Bytes], until Commit or Abort. Neither slice has capacity
// beyond its length. A program that keeps such a slice reads what others publish later. A program
// that writes to it later damages the content of messages, and nothing else. After the handle is
// closed, access to the slice ends the program. [View.Clone] and [Message.Clone] make copies that
// last.
//
// With [Exclusive], Raw is valid until the next call on the same subscription, also after
// ReceiveBatch.
//
// # Latency and throughput
//
// A subscription that has caught up with a stream of messages rests for some microseconds before it
// looks again, about 10 at most ([Spin]: 2 to 3), because each look takes cache lines from the
// publisher. If messages come one by one, it does not rest, except for an occasional try.
// [Publisher.PublishBatch] and [Subscription.ReceiveBatch] save calls, and let several messages be
// in progress at once.
//
// # The state of a bus
//
// [Bus.Snapshot] and [Observer.Snapshot] return it, and busd status --json prints it. Fill is the
// part of the ring that holds messages, Backlog the part that the slowest reliable subscriber has
// yet to read, and Lag the number of positions that one subscriber has yet to read.
//
// # Observers
//
// [Observe] attaches the memory so that the kernel refuses any write, for which read permission is
// enough. [Observer.Subscribe] receives as a lossy subscription does, by polling: nobody sees an
// observer, waits for it or wakes it.
//
// # What a process must not do
//
// The kernel keeps a process alive to the bus across execve: a program that replaces itself while
// it has a bus open counts as a client until the new program ends. After fork without exec the
// child must not use the bus.
package bus
