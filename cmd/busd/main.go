// Command busd makes buses, keeps them, and reports on them. No bus needs it: busd is not on the
// data path, and a bus outlives it.
//
//	busd create prices             make the bus
//	busd serve -b prices           make or adopt the bus; watch for dead clients and blocked publishers
//	busd ls                        which buses exist
//	busd status prices --watch     who publishes and subscribes, how fast, how far behind
//	busd evict prices 4711         publishers no longer wait for the subscriptions of that process
//	busd rm prices                 remove it
//	busd doctor                    what is wrong on this host, and what to do about it
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
