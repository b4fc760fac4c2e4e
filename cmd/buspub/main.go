// Command buspub publishes messages on a bus: its arguments, or the lines of its standard input.
//
//	buspub -b NAME TOPIC [MESSAGE…]
//
// # Input
//
// Each line of standard input is one message; with --format msgpack each object of the stream is; with --whole the whole
// input is. The format says what becomes of a line: json (the default) is parsed, text is a string, raw is bytes. In json a
// line of white space is no message, and a byte order mark at the start of a line is left out. A last line without a
// newline counts.
//
// A JSON number is carried as what any reader of msgpack understands: an integer of up to 64 bits, or the float64 that it is, also where it is
// written as 101.50 or 1e5. One that is neither, as 99999999999999999999, becomes the nearest float64, which is said of the first
// one; with --numbers error it is an error, and with --numbers exact its text is carried, in an ext that bussub and
// package bus understand. 1e400, for which there is no float64, is an error but with --numbers exact.
//
// What cannot be published, because it is not what the format asks for, too large, or (with --no-wait) because the
// ring is full, is named with the number of its line. It ends the command, or with --on-error skip
// is left out: at most ten such lines a second are reported one by one, the others in sums.
//
// # Waiting
//
// Standard input is read a few hundred kilobytes ahead. --timeout limits one wait for others: for room in the ring, which
// takes reliable subscribers that lag, or for --subscribers. It does not limit the wait for input. With 0,
// as without it, such a wait may last for ever.
//
// # Exit codes
//
//	0    everything was published
//	1    failed, or with --on-error skip something was left out
//	2    wrong usage
//	3    timed out: --wait, --timeout
//	130  SIGINT and
//	143  SIGTERM came before the end of the input; they end the command between two messages
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
