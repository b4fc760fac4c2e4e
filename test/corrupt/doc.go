//go:build linux

// Command corrupt damages buses while real processes use them, and watches what those do.
//
//	go run ./test/corrupt -mutations 1000000 -seed 1 -duration 15m
//
// Each round makes a bus. Worker processes publish, subscribe, observe, watch deaths, come and go;
// meanwhile bits are flipped and words overwritten anywhere in the segment. What a worker gets may
// be wrong in any way that has a name in package bus. A violation is
//
//   - a panic, a fault, or any other end of a worker that it did not choose,
//   - a call that returns long after its deadline, or never,
//   - memory that grows without bound,
//   - an error that matches no sentinel of package bus,
//   - a message larger than the bus takes, or on a topic that is none,
//   - a bus that can not be examined or removed at the end of the round, or of which something is left.
//
// The choice of mutations follows from the seed and the number of the round; what the processes do
// at that moment does not. The exit code is 1 if there was a violation.
package main
