// Package worker is the Go side of a measured process: the line protocol between it and the parent
// that measures, and the registry of contenders. native/worker.h is its counterpart in C.
//
// A worker is told its role and parameters as arguments, ROLE key=value …, and then speaks lines:
//
//	worker → ready                    it is attached, connected, subscribed
//	parent → run N                    do one run of N messages, round trips, …
//	worker → ran n=N start=NS end=NS cpu=NS bad=0 lost=0 [samples=PATH] [more=…]
//	parent → quit, or the end of its input: clean up and exit
//	worker → error TEXT               at any time: it can't, and exits; "error skipped: …" where this host lacks what it needs
//
// start and end are CLOCK_MONOTONIC, cpu is the processor time of the run, both in nanoseconds.
// samples names a file of little-endian 32-bit nanoseconds. Between runs a worker is blocked in
// reading its input.
//
// Parameters that all have: size, the bytes of a message; dir, a scratch folder for sockets, files
// and key files; id, a name that is unique on this host; index and count, which of how many workers
// of its role it is.
package worker
