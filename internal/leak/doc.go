// Package leak fails a package's tests when they leave something behind: a shared
// memory segment, a semaphore set, a message queue, a goroutine, or a thread that
// sleeps on a semaphore.
//
//	func TestMain(m *testing.M) { leak.Main(m) }
//
// # Whose object is it?
//
// System V objects belong to the machine, go test runs packages side by side, and a
// semaphore set does not tell which process created it. Comparing what exists before
// and after would therefore blame one package for another's objects. So [Main] runs the
// tests in an IPC namespace of their own: it starts the test binary once more, in
// a new namespace, and hands its exit code on. There the tables are empty at the start,
// and whatever is there at the end was made by these tests or by processes they
// started. Nobody can be blamed for another's object, no object can hide, and the
// kernel destroys the namespace with everything in it when the last process is gone, also
// after a panic, a timeout or SIGKILL. Tests may even change kernel.sem there.
//
// A namespace takes root or user namespaces. Where neither is to be had, Main
// falls back to a lock on a file that all leak-checked packages of the user share, so that they run
// one after another, and reports the objects of this user that were not there before.
// That is right as long as nobody else creates any meanwhile. The environment variable
// SHMBUS_LEAK chooses: "namespace" (fail where there is none), "lock", "auto" (default).
//
// A process that a test starts from its own binary finds itself in the namespace already
// and runs without a check of its own; the process that made the namespace
// checks for all of them.
package leak
