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
// [New] makes a real bus in shared memory; this package has no simulated one. [Expect] and [Drain]
// receive messages. A [Peer] is another process with a reliable subscription. A test stops or kills
// it to see how the code under test behaves then.
//
// # Where the buses are, and when they go
//
// All buses of a test process lie in one new folder below os.TempDir. The first call of New sets
// SHMBUS_DIR to that folder for the whole process. Code under test, and programs that it starts,
// therefore find a bus by its name, and see none of the machine's other buses. Tests may run in
// parallel. A test that sets SHMBUS_DIR itself hides the buses of New from code that opens them by
// name.
//
// A bus is removed when its test ends. System V objects survive the processes that use them, so New
// also starts a guardian: the test binary once more, as a process that waits until the test process
// is gone. However that ended (a panic, a timeout, os.Exit, SIGKILL), the guardian then removes
// every bus in the folder, including those that the code under test made, and the folder. The
// guardian has a session of its own, so signals to the test's process group do not reach it. If the
// guardian is killed too, as when a service's control group is killed, the buses stay, and
// busd doctor finds them. The end of a container removes them together with its IPC namespace.
//
// Guardian and peers run in the init function of this package and never reach main or TestMain.
// Package-level variables and init functions of the program may run before that.
//
// # With testing/synctest
//
// Make the bus inside the bubble, with the bubble's *testing.T. A handle has timers, so it must not
// be opened on one side of the bubble and used on the other. Calls that do not wait for other
// processes then work on the bubble's clock: publishing ([bus.WithTime] stamps the bubble's time),
// [bus.Subscription.TryNext], Drain, and Expect, whose 10 seconds are those of the bubble. A
// program that publishes from time to time is thus tested without waiting.
//
// A call that waits for messages or for room (Next, All, publishing to a full ring) waits in the
// kernel, and a bubble's clock stands still while one of its goroutines does: timers do not fire, a
// context's timeout does not end the call, and neither time.Sleep nor Expect returns. The call ends
// with a message, with Close, or when its context is cancelled in another way. Test code that waits
// for messages outside of bubbles.
//
// Other processes, including a Peer, do not follow the bubble's clock. A bubble may have a stopped
// or killed peer, but its patience cannot be tested there.
package bustest
