// Command bussub prints the messages of a bus that match one of its patterns.
//
//	bussub -b NAME [PATTERN…]
//
// # Output
//
// Each message becomes a line, with --format msgpack an object of a stream. json prints any message; text and raw print the
// payload of strings (raw also of bytes) as it is, and other messages as json does. With --meta a message comes with its
// topic, position, publisher, and with its time where the publisher stamps it:
//
//	json       {"topic":"a.b","position":7,"publisher":0,"time":"2026-01-02T03:04:05.678Z","message":…}
//	text, raw  topic, position, publisher, time (or -), each followed by a tab, then the payload
//	msgpack    a map as in json; the time is a timestamp
//
// With --whole no newline follows a message of text or raw: a file that buspub --whole has published comes out as it was.
//
// A terminal gets each line as it comes. Anything else gets blocks, and whatever there is as soon
// as no further message is there, so that nothing is held back.
//
// # Loss
//
// A subscription without --reliable loses messages when it is slower than the publishers by more than the ring
// holds. Losses are reported on stderr, in positions: a message takes as many as it takes slots. They are no failure, since nobody
// has asked otherwise: the exit code is 0, unless --fail-on-loss is given. With --reliable every loss (after --demote-after or
// --evict-after) makes it 1. If the code is to be 1 and --count is given, the first loss ends the command: the messages that it
// waits for may be among those that were lost.
//
// With --observe the memory of the bus is attached read-only: the kernel lets this process change nothing, read permission
// is enough, and neither publishers nor busd status see it. It polls instead of being woken, which costs up to 5 ms of
// delay after a pause and about a hundredth of a processor, and it may lose messages.
//
// A frame that is not msgpack is reported and left out, and makes the exit code 1; --count counts it.
//
// # The end
//
// bussub ends after --count messages; when nothing has come for --timeout (it waits for ever without it, or with 0); when the bus is
// removed, unless --follow is given; when the reader of its output has gone, also while there is nothing to print; and with SIGINT or SIGTERM.
// What was received is still written then, if stdout takes it within half a second. A process that is started with its standard
// output closed (>&-) writes to /dev/null, which Go's runtime opens in its place: its messages are consumed, and it ends with 0.
//
// With --follow it waits for the bus to exist, and, if it is removed, for the next one of that name. --from holds for
// the first; the next is read from its oldest message on, since all of it is new.
//
// # Exit codes
//
//	0    done: --count was reached, the reader has gone, or a signal ended it without --count
//	1    failed, or something was lost that should not be
//	2    wrong usage
//	3    timed out: no message for as long as --timeout says
//	130  SIGINT and
//	143  SIGTERM came before --count was reached
package main

import "shmbus/cmd/internal/cli"

func main() { cli.Main(run) }
