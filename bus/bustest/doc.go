// Package bustest helps programs that use package bus to test themselves.
//
//	func TestPricer(t *testing.T) {
//		b := bustest.New(t)
//		out, err := b.Subscribe("quotes.>", bus.Reliable())
//		…
//		go pricer.Run(t.Context(), b.Name())
//		b.Publish(t.Context(), "orders.new", Order{ID: 1})
//		bustest.Expect(t, out, Quote{Order: 1, Price: 101.5})
//	}
//
// [New] makes a real bus, in shared memory; there is no fake one. [Expect] and [Drain] receive. A
// [Peer] is another process with a reliable subscription, which a test stops and kills to see what
// the code under test does then.
//
// # Where the buses are, and when they go
//
// All buses of a test process lie in one new folder below os.TempDir. The first call of New sets
// SHMBUS_DIR to it, for the whole process: code under test, and programs that it starts, find a bus
// by its name and none of the machine's own buses. Tests may be parallel. A test that sets
// SHMBUS_DIR itself hides the buses of New from code that opens them by name.
//
// A bus is removed when its test ends. System V objects survive the processes that use them, so New
// also starts a guardian: the test binary once more, which waits until the test process is gone,
// however that ended (a panic, a timeout, os.Exit, SIGKILL), and then removes every bus in the
// folder, those that the code under test has made included, and the folder. It has a session of its
// own, so that signals to the test's process group do not reach it. Who kills the guardian as well,
// as the end of a container or a service does, leaves what the end of the container removes, or
// busd doctor finds.
//
// Guardian and peers begin and end in the init function of this package. Package-level variables
// and init functions of the program run before that, main and TestMain do not.
//
// # With testing/synctest
//
// Make the bus inside the bubble, with the bubble's *testing.T, and open no handle on one side to
// use it on the other: handles have timers. What does not wait for other processes then works on
// the bubble's clock: publishing ([bus.WithTime] stamps the bubble's time),
// [bus.Subscription.TryNext], Drain, and Expect, which waits until the other goroutines of the
// bubble have done what they do within 10 of its seconds. So a program that publishes from time to
// time is tested in no time.
//
// What waits for messages or for room (Next, All, publishing to a full ring) waits in the kernel,
// and a bubble's clock stands still while one of its goroutines does: timers do not fire, a
// context's timeout does not end the call, and neither Sleep nor Expect returns. The call ends with
// a message, with Close, or when its context is cancelled otherwise. Code that waits for messages
// is therefore to be tested outside of bubbles.
//
// Other processes, a Peer among them, know nothing of the bubble's clock. A stopped or killed one
// can be had inside, its patience cannot be tested there.
package bustest
