// Package sleep puts the idle clients of a bus to sleep and wakes them.
//
// # Wake words
//
// The record of each publisher and of each subscriber has a wake word: position, generation and
// state. Its owner makes it asleep and awake. A client that wakes the owner claims the word, posts
// the sleep semaphore of the owner's client, and marks the word notified:
//
//	awake    -> asleep     FallAsleep, by the owner
//	asleep   -> claimed    by a waker, before it posts
//	claimed  -> notified   by any waker, after it posted
//	any      -> awake      WakeUp, by the owner; Awaken, by whoever reclaims the record
//
// A subscriber also sets its bit among the sleepers, a publisher that waits for room its bit among
// the blocked: wakers look at the words of those whose bits are set. Only the owner clears its bit,
// so a waker that is stopped or killed between any two steps hides no sleeper from the next waker,
// which claims and posts again.
//
// # To sleep
//
// The order of a subscriber's steps ensures that no message is lost:
//
//	s.FallAsleep()           the word, then the bit: from now on publishers wake this subscriber
//	look at ring and topics  whatever came before the bit was visible is found here, and only here
//	s.LookedAt(cursor)       from now on publishers may certify it
//	s.Wait(ctx)              until the word is no longer asleep
//	s.WakeUp(cursor)         resume at the certified position
//
// # Certified sleep
//
// [Certify] proves to sleeping subscribers that nothing for them was published below a position,
// and moves the position in their wake words forward. So a subscriber of quiet topics is neither
// woken for nothing nor lapped. A subscriber that may have something to read is woken instead.
//
// # One thread
//
// All waiters of a handle share a [Parker], which waits in the kernel with one thread.
//
// Sections 3 and 4 of docs/design.md say why this loses no wake-up, also when wakers die:
// ring/model checks it. The functions here may be called by any goroutine; a [Subscriber] and a
// [Publisher] belong to the one goroutine that uses the record, except for Unpark.
package sleep
