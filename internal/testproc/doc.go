//go:build linux

// Package testproc runs tests across processes. A test's own program is started again as a worker,
// which plays a role:
//
//	func TestMain(m *testing.M) {
//		testproc.Main(m, testproc.Roles{"echo": testproc.With(echo)})
//	}
//
//	type job struct{ Topic string }
//
//	func echo(c *testproc.Child, j job) {
//		c.Say("ready", nil)
//		c.Await("go")
//		…
//		c.Say("done", count)
//	}
//
//	func TestEcho(t *testing.T) {
//		w := testproc.Run(t, "echo", job{Topic: "a"})
//		w.Expect(t, "ready")
//		w.Tell("go")
//		var count int
//		w.Expect(t, "done", &count)
//		w.Exit(t)
//	}
//
// A job is given as JSON in the environment. A worker reports events, one line of JSON each, on its
// standard output, and takes orders, one line each, from its standard input. The order "exit" ends
// [Child.Context]; the end of the input means that the parent is gone, and ends the worker. What a
// worker writes to its standard error is kept and becomes part of the failure's text.
//
// [Launch] starts any other program with the same pipes. [Main] also fails a package whose tests
// leave System V objects, goroutines or sleeping threads behind, and [Commands] builds the commands
// that its tests start.
//
// Methods that take a [testing.TB] fail the test, at once; all others return errors, for programs
// that are no tests. A worker is waited for as long as [testload.Patience] says.
package testproc
