// Package fault names the points between the steps of every protocol at which a process may be
// killed or stopped. Tests make that happen at these points in real processes.
//
// The protocols call [At] between their steps. Without the build tag faults the call compiles to
// nothing: no call, no branch. With the tag, environment variables say what happens at which point:
//
//	SHMBUS_FAULT           POINT=ACTION[:N[:DURATION]], separated by commas. At the Nth visit of the
//	                       point (1 by default) the process kills itself (kill) or stops itself
//	                       (stop), or the goroutine at the point sleeps for DURATION, 1s by
//	                       default (stall). *=ACTION:1/N does so at each visit of any point with
//	                       probability 1/N.
//	SHMBUS_FAULT_SEED      the seed of the random numbers for the last form
//	SHMBUS_FAULT_FILE      a file that is mapped and kept up to date, in 64-bit little-endian
//	                       words: the point visited last, plus one; the point at which something
//	                       happened, plus one; then the number of visits of each point
//	SHMBUS_FIRST_POSITION  the first position of a new bus, to begin close to where a counter wraps
//
// If a variable cannot be parsed, the program ends with an error and exit code 2.
package fault
