// Command buspub publishes messages on a bus: its arguments, or the lines of its standard input.
//
//	buspub -b NAME TOPIC [MESSAGE…]
//
// # Input
//
// Each line of standard input is one message. With --format msgpack each object of the stream is
// one message, and with --whole the whole input is one. The format says how a line is read: json
// (the default) parses it, text takes it as a string, raw as bytes. With json, a line of white
// space is skipped, and a byte order mark at the start of a line is dropped. A last line without a
// newline counts.
//
// A JSON number becomes an integer of up to 64 bits, or a float64, which any reader of msgpack
// understands; 101.50 and 1e5 become floats. A number that is neither exactly, such as
// 99999999999999999999, becomes the nearest float64, and the command reports the first such number.
// With --numbers error it is an error. With --numbers exact its text is carried, in a msgpack
// extension that bussub and package bus understand. 1e400, for which there is no float64, is an
// error except with --numbers exact.
//
// A message cannot be published if the format does not allow it, if it is too large, or, with
// --no-wait, if the ring is full. The error names the number of its line. It ends the command. With
// --on-error skip the message is left out: at most ten such lines a second are reported one by one,
// and the others in sums.
//
// # Waiting
//
// Standard input is read a few hundred kilobytes ahead. --timeout limits each wait for other
// processes: for room in the ring, which reliable subscribers that lag keep full, or for
// --subscribers. It does not limit the wait for input. With --timeout 0, and without the flag, such
// a wait may last for ever.
//
// # Exit codes
//
//	0    everything was published
//	1    failed, or with --on-error skip a message was left out
//	2    wrong usage
//	3    timed out: --wait, --timeout
//	130  SIGINT and
//	143  SIGTERM came before the end of the input; they end the command between two messages
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
