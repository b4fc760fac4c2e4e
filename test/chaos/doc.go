//go:build linux

// Command chaos shows that a bus keeps its promises while its clients are killed, stopped, started
// and sent away at random: dozens of publishers and subscribers of all kinds, each a process of its
// own, and busd.
//
//	go run -tags faults ./test/chaos [-kills 1000] [-duration 0] [-seed N] …
//
// With the build tag faults processes also kill and stop themselves between two steps of a protocol
// (see package fault), and buses begin close to where their counters wrap; without it, only signals
// from outside do.
//
// Everything that happens is checked, by parties that do not trust each other:
//
//   - The auditor reads every slot of the ring at the level of its words, behind a gate of its own, and writes down what stands at
//     which position: the truth of the run.
//   - Publishers note the number of a message before they publish it and after they have. What was acknowledged is in the truth, what was not
//     even begun is not, and the numbers of one publisher have no gap.
//   - Subscribers check each message's checksum, and log every delivery and every loss into memory that survives them. The log
//     is compared with the truth: same order, nothing twice, nothing missing, and each loss exact to the position.
//   - A watcher reports deaths, which are compared with the kills.
//   - At the end of a round nobody owns anything, and every slot is in exactly one place.
//
// The seed decides who does what to whom; when exactly, the kernel's scheduler does. At a violation
// chaos ends with exit code 1, and names the seed and the folder with the logs.
package main
