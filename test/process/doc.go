//go:build linux

// Package process tests the promises of package bus between real processes, which are
// stopped and killed while they publish, read, sleep and create.
//
// The test binary starts itself once more for every worker. What a worker does is a [job] in its
// environment; it reports in lines of JSON on standard output, and takes orders, a word a line, on
// standard input. A worker checks what it receives itself, message by message, and reports a fault
// at the first that breaks a promise.
//
// With the build tag faults there is one more test, which strikes processes at each step of each
// protocol; `make faults` runs it.
//
// SHMBUS_SEED=N repeats a random choice of moments, up to the scheduler's part in it. Everything at
// once, at random, is in test/chaos.
package process
