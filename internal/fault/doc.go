// Package fault names every step of every protocol at which a process may be killed or stopped, and lets tests make that
// happen there, in a real process.
//
// The protocols call [At] between their steps. Without the build tag faults that compiles to nothing: no call, no
// branch. With it, the environment says what happens at which point:
//
//	SHMBUS_FAULT           POINT=ACTION[:N[:DURATION]], separated by commas: at the Nth visit of the point (default 1) the
//	                       process kills itself (kill), stops itself (stop), or the goroutine that is there stays there for DURATION,
//	                       1s by default (stall). *=ACTION:1/N is at each visit of any point with probability 1/N.
//	SHMBUS_FAULT_SEED      a number that the chances of the last form are drawn from
//	SHMBUS_FAULT_FILE      a file that is mapped and kept up to date, in 64-bit little-endian words: the point visited
//	                       last plus one, the point at which something happened plus one, then the visits of each point
//	SHMBUS_FIRST_POSITION  the position at which a new bus begins, to begin close to where a counter wraps
//
// A program that reads these variables wrongly written ends with an error and exit code 2.
package fault
