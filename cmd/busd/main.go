// Command busd makes buses, keeps them, and reports on them. Without it everything flows: it is not on the data
// path, and a bus outlives it.
//
//	busd -b prices                 make the bus, or adopt it, and watch for the death of its clients
//	busd ls                        which buses there are
//	busd status prices --watch     who publishes and subscribes, how fast, how far behind
//	busd rm prices                 remove it
//	busd doctor                    what is wrong on this host, and what to do about it
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
