// Command bussub prints the messages of a bus that match one of its patterns.
//
//	bussub -b NAME [PATTERN…]
//
// # Output
//
// Each message becomes a line; with --format msgpack it becomes an object of a stream. json prints
// any message. text and raw print the payload of strings (raw also of bytes) as it is, and other
// messages as json does. --meta adds topic, position and publisher, and the time if the publisher
// stamps it:
//
//	json       {"topic":"a.b","position":7,"publisher":0,"time":"2026-01-02T03:04:05.678Z","message":…}
//	text, raw  topic, position, publisher, time (or -), each followed by a tab, then the payload
//	msgpack    a map as in json; the time is a timestamp
//
// With --whole no newline follows a message of text or raw, so a file published by buspub --whole
// is printed unchanged.
//
// A terminal gets each line as it comes. Anything else gets blocks. When no further message is
// there, bussub writes the unfinished block, so that nothing is held back.
//
// # Loss
//
// A subscription without --reliable loses messages when it falls behind the publishers by more than
// the ring holds. Losses are reported on stderr, in positions: a message takes as many positions as
// slots. They leave the exit code at 0, unless --fail-on-loss is given. With --reliable, every loss
// (after --demote-after or --evict-after) makes the exit code 1. If the code is to be 1 and --count
// is given, the first loss ends the command, because the messages that it waits for may be among
// the lost ones.
//
// With --observe the memory of the bus is attached read-only. The kernel lets this process change
// nothing, read permission is enough, and neither publishers nor busd status see the process. It
// polls and is not woken. That costs up to 5 ms of delay after a pause and about a hundredth of a
// processor, and messages may be lost.
//
// A frame that is not msgpack is reported and left out, and makes the exit code 1. It counts for
// --count.
//
// # The end
//
// bussub ends after --count messages; when no message has come for --timeout (without it, or with
// 0, it waits for ever); when the bus is removed, unless --follow is given; when the reader of its
// output has gone, even while there is nothing to print; and with SIGINT or SIGTERM. It still
// writes what it has received, if stdout takes it within half a second.
//
// If the process is started with its standard output closed (>&-), Go's runtime opens /dev/null in
// its place. Then the messages are consumed, and bussub ends with 0.
//
// With --follow it waits for the bus to exist and, if the bus is removed, for the next one of that
// name. --from applies to the first bus. The next one is read from its oldest message on, since all
// of its messages are new.
//
// # Exit codes
//
//	0    done: --count was reached, the reader has gone, or a signal ended it without --count
//	1    failed, or messages were lost and that counts as a failure
//	2    wrong usage
//	3    timed out: no message came for --timeout
//	130  SIGINT and
//	143  SIGTERM came before --count was reached
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
