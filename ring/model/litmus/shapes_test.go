package litmus

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A shape is a piece of the protocol as the code has it.
type shape struct {
	name  string
	where string // the functions that it is taken from
	never string // what its outcome means
	Test
	// allowed names the models that allow the outcome, usually none; why says why that does no
	// harm.
	allowed, why string
	// needs maps each ordering that is needed to the models that allow the outcome without it.
	needs map[string]string
}

type values = map[string]int

// e is a ring entry; d and f are words of the payload of a slot, pos its header's position; pair,
// intent and topic are words of a publisher record, cursor, gate and word (the wake word) of a
// subscriber record; bits are the sleepers, gates those who may have a gate, blocked the publishers
// that wait for room.
var (
	// publish has the steps from (*Publisher).Fill to Settle for the first message of an entry.
	// displace has them for a message that displaces another one, and then the next fill of the
	// displaced slot.
	publish  = thread{write("d", 1), write("pos", 1), write("intent", 1), write("pair", 1), swap("e", 0, 1), fenceFull, write("pair", 2)}
	displace = thread{swap("e", 1, 2), fenceFull, write("pair", 2), write("d", 2)}
	one      = values{"e": 1, "d": 1}
)

var shapes = []shape{
	{
		name: "publish.payload", where: "Publisher.Exchange, Cursor.Read", never: "the entry is seen, and the payload of before",
		Test: Test{[]thread{publish, {atomicLoad("e", "e1"), read("d", "d1"), atomicLoad("pos", "p1"), fenceLoads, atomicLoad("e", "e2")}},
			nil, values{"e1": 1, "d1": 0}},
		needs: onArm("P1 LDR e1"),
	},
	{
		name: "publish.header", where: "Publisher.Exchange, Cursor.Valid", never: "the entry is seen, and the header of before",
		Test:  Test{[]thread{publish, {atomicLoad("e", "e1"), atomicLoad("pos", "p1")}}, nil, values{"e1": 1, "p1": 0}},
		needs: onArm("P1 LDR e1"),
	},
	{
		name: "validity", where: "Publisher.Settle, Cursor.Valid, Frame.Valid", never: "the payload of the next fill passes for that of the entry",
		Test: Test{[]thread{displace, {atomicLoad("e", "e1"), atomicLoad("pos", "p1"), read("d", "d1"), fenceLoads, atomicLoad("e", "e2")}},
			one, values{"e1": 1, "d1": 2, "e2": 1}},
		needs: onArm("P0 without fence.Full", "P1 without fence.Loads"),
	},
	{
		name: "validity.torn", where: "the same", never: "half of the next fill passes",
		Test: Test{[]thread{{swap("e", 1, 2), fenceFull, write("d", 2), write("f", 2)},
			{atomicLoad("e", "e1"), read("d", "d1"), read("f", "f1"), fenceLoads, atomicLoad("e", "e2")}},
			values{"e": 1, "d": 1, "f": 1}, values{"e1": 1, "d1": 1, "f1": 2, "e2": 1}},
		needs: onArm("P0 without fence.Full", "P1 without fence.Loads"),
	},
	{
		name: "validity.in-place", where: "Subscription.Read: look, Peek, the callback, Unchanged", never: "what the callback saw of the next fill is accepted",
		Test: Test{[]thread{displace, {atomicLoad("e", "e1"), atomicLoad("pos", "p1"), fenceLoads, atomicLoad("e", "e2"),
			atomicLoad("e", "e3"), read("d", "d1"), fenceLoads, atomicLoad("e", "e4")}},
			one, values{"e1": 1, "e3": 1, "d1": 2, "e4": 1}},
		needs: onArm("P0 without fence.Full", "P1 without fence.Loads"),
	},
	{
		name: "validity.heir", where: "Ring.settle, Cursor.Valid", never: "an heir fills the slot that the dead publisher displaced, and a reader of the old entry accepts it",
		Test: Test{[]thread{{swap("e", 1, 2)}, {atomicLoad("e", "h1"), write("d", 2)},
			{atomicLoad("e", "e1"), read("d", "d1"), fenceLoads, atomicLoad("e", "e2")}},
			one, values{"h1": 2, "e1": 1, "d1": 2, "e2": 1}},
		needs: onArm("P1 LDR h1", "P2 without fence.Loads"),
	},
	{
		name: "pair.before-exchange", where: "Publisher.Announce, Ring.settle", never: "the exchange is seen, the pair in flight is not",
		Test:  Test{[]thread{{write("pair", 1), swap("e", 0, 1)}, {atomicLoad("e", "x"), atomicLoad("pair", "p")}}, nil, values{"x": 1, "p": 0}},
		needs: onArm("P1 LDR x"),
	},
	{
		name: "settle.after-exchange", where: "Publisher.Settle, Ring.settle", never: "the settled pair is seen, the exchange is not",
		Test:  Test{[]thread{{swap("e", 0, 1), fenceFull, write("pair", 2)}, {atomicLoad("pair", "p"), atomicLoad("e", "x")}}, nil, values{"p": 2, "x": 0}},
		needs: onArm("P0 without fence.Full", "P1 LDR p"),
	},
	{
		name: "settle.evidence", where: "Ring.settle", never: "a dead publisher's slot is seen in an entry, and an older settled pair elsewhere",
		Test: Test{[]thread{{write("pairQ", 2), swap("e", 0, 1), fenceFull, write("pairQ", 3)}, {atomicLoad("e", "a"), write("pairP", 1)},
			{atomicLoad("pairP", "p"), atomicLoad("pairQ", "q")}}, nil, values{"a": 1, "p": 1, "q": 0}},
		needs: onArm("P1 LDR a", "P2 LDR p"),
	},
	{
		name: "cursor.release", where: "Cursor.Advance, Publisher.Rescan", never: "a cursor is released, and the payload of the next lap is read",
		Test: Test{[]thread{{atomicLoad("e", "e1"), read("d", "d1"), fenceLoads, atomicLoad("e", "e2"), storeRelease("cursor", 1)},
			{atomicLoad("cursor", "c"), swap("e", 1, 2), fenceFull, write("d", 2)}},
			one, values{"e1": 1, "d1": 2, "c": 1, "e2": 1}},
	},
	{
		name: "cursor.release.unvalidated", where: "the same, without the second look", never: "the same",
		Test: Test{[]thread{{atomicLoad("e", "e1"), read("d", "d1"), storeRelease("cursor", 1)},
			{atomicLoad("cursor", "c"), swap("e", 1, 2), fenceFull, write("d", 2)}}, one, values{"e1": 1, "d1": 2, "c": 1}},
		needs: onArm("P0 STR cursor"),
	},
	{
		name: "gate.join", where: "Ring.Join, Publisher.Rescan", never: "a publisher saw the position and no gate, the joiner does not see the position",
		Test: Test{[]thread{{swap("e", 0, 1)}, {atomicLoad("e", "s"), atomicLoad("gates", "g")},
			{atomicStore("cursor", 1), swap("gate", 0, 1), or("gates", 1), atomicLoad("e", "h")}}, nil, values{"s": 1, "g": 0, "h": 0}},
		needs: onArm("P1 LDR s", "P2 LDAPR h", "P2 LDR h"),
	},
	{
		name: "gate.join.own", where: "the same, with a position of the publisher's own", never: "the same",
		Test: Test{[]thread{{swap("e", 0, 1), fenceFull, atomicLoad("gates", "g")},
			{atomicStore("cursor", 1), swap("gate", 0, 1), or("gates", 1), atomicLoad("e", "h")}}, nil, values{"g": 0, "h": 0}},
		needs: onArm("P1 LDAPR h", "P1 LDR h"),
	},
	{
		name: "gate.join.in-C", where: "docs/layout.md, layout/testdata/shmbus.h: C's acquire loads may be LDAPR", never: "the same",
		Test: Test{[]thread{{swap("e", 0, 1), fenceFull, loadPC("gates", "g")},
			{storeRelease("cursor", 1), or("gates", 1), membarrier, loadPC("e", "h")}}, nil, values{"g": 0, "h": 0}},
		needs: onArm("P0 without fence.Full", "P1 without membarrier"),
	},
	{
		name: "gate.cursor", where: "Ring.Join, Ring.slowest", never: "the gate is seen, the cursor is not",
		Test: Test{[]thread{{atomicLoad("gates", "g"), atomicLoad("gate", "x"), atomicLoad("cursor", "c")},
			{atomicStore("cursor", 1), swap("gate", 0, 1), or("gates", 1)}}, nil, values{"g": 1, "c": 0}},
		needs: onArm("P0 LDR g"),
	},
	{
		name: "room.blocked", where: "Publisher.sleepForRoom, Subscription.wakeBlocked", never: "a publisher blocks and sees no room, the subscriber sees no blocked publisher",
		Test: Test{[]thread{{atomicStore("word", 1), or("blocked", 1), atomicLoad("cursor", "c")}, {storeRelease("cursor", 1), atomicLoad("blocked", "b")}},
			nil, values{"c": 0, "b": 0}},
		allowed: "TSO", why: "a publisher sleeps for 2 ms at most before it looks again, and the subscriber looks behind a barrier before it sleeps",
		needs: map[string]string{"P0 LDAPR c": "TSO LSE Armv8.0", "P0 LDR c": "TSO LSE Armv8.0", "P1 LDAPR b": "TSO LSE Armv8.0", "P1 LDR b": "TSO LSE Armv8.0", "P1 STR cursor": "TSO LSE Armv8.0"},
	},
	{
		name: "room.blocked.asleep", where: "Publisher.sleepForRoom, Subscription.sleep", never: "the same, and the subscriber sleeps",
		Test: Test{[]thread{{atomicStore("word", 1), or("blocked", 1), atomicLoad("cursor", "c")},
			{storeRelease("cursor", 1), atomicStore("subword", 1), or("bits", 1), atomicLoad("blocked", "b")}}, nil, values{"c": 0, "b": 0}},
		needs: onArm("P0 LDAPR c", "P0 LDR c"),
	},
	{
		name: "wake.message", where: "Publisher.wakeInterested, Subscription.sleep", never: "the publisher sees no sleeper, the sleeper no message",
		Test: Test{[]thread{{swap("e", 0, 1), fenceFull, atomicLoad("bits", "b")}, {atomicStore("word", 1), or("bits", 1), atomicLoad("e", "e1")}},
			nil, values{"b": 0, "e1": 0}},
		needs: onArm("P1 LDAPR e1", "P1 LDR e1"),
	},
	{
		name: "wake.message.unfenced", where: "the same without the barrier of Settle, which is there for others", never: "the same",
		Test: Test{[]thread{{swap("e", 0, 1), atomicLoad("bits", "b")}, {atomicStore("word", 1), or("bits", 1), atomicLoad("e", "e1")}},
			nil, values{"b": 0, "e1": 0}},
		needs: onArm("P0 LDAPR b", "P0 LDR b", "P1 LDAPR e1", "P1 LDR e1"),
	},
	{
		name: "wake.word", where: "sleep.waker.addSubs, Subscription.sleep", never: "the sleeper's bit is seen, its wake word is not",
		Test:  Test{[]thread{{atomicLoad("bits", "b"), atomicLoad("word", "w")}, {atomicStore("word", 1), or("bits", 1)}}, nil, values{"b": 1, "w": 0}},
		needs: onArm("P0 LDR b"),
	},
	{
		name: "wake.resume", where: "Ring.Protected, sleep.Subscriber.WakeUp", never: "the wake word says awake, the cursor is that of before the sleep",
		Test:  Test{[]thread{{atomicLoad("word", "w"), atomicLoad("cursor", "c")}, {storeRelease("cursor", 1), swap("word", 0, 1)}}, nil, values{"w": 1, "c": 0}},
		needs: onArm("P0 LDR w"),
	},
	{
		name: "certify.intent", where: "Publisher.Announce, sleep.Certify", never: "the message is seen, the intent is not",
		Test: Test{[]thread{{atomicStore("topic", 1), write("intent", 1), write("pair", 1), swap("e", 0, 1)}, {atomicLoad("e", "e1"), atomicLoad("intent", "i")}},
			nil, values{"e1": 1, "i": 0}},
		needs: onArm("P1 LDR e1"),
	},
	{
		name: "certify.topic", where: "Publisher.turnTo, sleep.Certify", never: "message and intent are seen, and the topic of before",
		Test: Test{[]thread{{atomicStore("topic", 1), write("intent", 1), write("pair", 1), swap("e", 0, 1)},
			{atomicLoad("e", "e1"), atomicLoad("intent", "i"), atomicLoad("topic", "t")}}, nil, values{"e1": 1, "i": 1, "t": 0}},
		needs: onArm("P1 LDR e1"),
	},
	{
		name: "certify.topic.not-yet-published", where: "the same", never: "the intent is seen before its message, and the topic of before",
		Test: Test{[]thread{{atomicStore("topic", 1), write("intent", 1), write("pair", 1), swap("e", 0, 1)}, {atomicLoad("intent", "i"), atomicLoad("topic", "t")}},
			nil, values{"i": 1, "t": 0}},
		allowed: "LSE Armv8.0", why: "the message is not below the position that is certified",
	},
	{
		name: "certify.chain", where: "Publisher.Announce, Ring.Head, sleep.Certify", never: "the certifier sees only a later message of another publisher, and not the intent",
		Test: Test{[]thread{{write("intent", 1), swap("e", 0, 1)}, {atomicLoad("e", "a"), swap("f", 0, 1)}, {atomicLoad("f", "b"), atomicLoad("intent", "i")}},
			nil, values{"a": 1, "b": 1, "i": 0}},
		needs: onArm("P2 LDR b"),
	},
	{
		name: "topic.ready", where: "topics.Table.Open, topics.Table.refresh", never: "a topic is ready, and its name is not there",
		Test:  Test{[]thread{{write("name", 1), atomicStore("owner", 1)}, {atomicLoad("owner", "o"), read("name", "n")}}, nil, values{"o": 1, "n": 0}},
		needs: onArm("P0 STR owner", "P1 LDR o"),
	},
	{
		name: "topic.version", where: "sleep.WakeUnmatched, Subscription.skipUnwanted", never: "the entry of a new topic is seen, the version is not",
		Test:  Test{[]thread{{or("version", 1), swap("e", 0, 1)}, {atomicLoad("e", "x"), atomicLoad("version", "v")}}, nil, values{"x": 1, "v": 0}},
		needs: onArm("P1 LDR x"),
	},
	{
		name: "topic.sleep", where: "sleep.WakeUnmatched, Subscription.sleep", never: "the creator of a topic sees no sleeper, the sleeper no new topic",
		Test:  Test{[]thread{{or("version", 1), atomicLoad("word", "w")}, {atomicStore("word", 1), or("bits", 1), atomicLoad("version", "v")}}, nil, values{"w": 0, "v": 0}},
		needs: onArm("P0 LDAPR w", "P0 LDR w"),
	},
	{
		name: "header.magic", where: "registry.Initialise, layout.DecodeHeader", never: "the magic number is seen, and the rest of the header is not",
		Test:  Test{[]thread{{write("rest", 1), atomicStore("magic", 1)}, {read("magic", "m"), fenceLoads, read("rest", "r")}}, nil, values{"m": 1, "r": 0}},
		needs: onArm("P0 STR magic", "P1 without fence.Loads"),
	},
	{
		name: "close", where: "lifecycle.enterAlone, lifecycle.close: a membarrier stands between its two steps", never: "Close and a call miss each other",
		Test: Test{[]thread{{write("busy", 1), membarrier, atomicLoad("alert", "a")}, {or("alert", 1), membarrier, atomicLoad("busy", "b")}},
			nil, values{"a": 0, "b": 0}},
		needs: map[string]string{"P0 without membarrier": "TSO LSE Armv8.0"},
	},
	{
		name: "turn.queued", where: "lifecycle.exit, lifecycle.waitForTurn: a membarrier stands between its two steps", never: "a call ends and sees no queued call, which sees that the call goes on",
		Test: Test{[]thread{{storeRelease("busy", 0), membarrier, atomicLoad("alert", "a")}, {or("alert", 1), membarrier, atomicLoad("busy", "b")}},
			values{"busy": 1}, values{"a": 0, "b": 1}},
		needs: map[string]string{"P0 without membarrier": "TSO"},
	},
	{
		name: "turn.state", where: "lifecycle.exit, lifecycle.takeTurn", never: "a call sees the state of before the one whose turn ended",
		Test:  Test{[]thread{{write("state", 1), storeRelease("busy", 0)}, {swap("busy", 0, 1), read("state", "s")}}, values{"busy": 1}, values{"s": 0}},
		needs: onArm("P0 STR busy"),
	},
}

// onArm are orderings without which both forms of Armv8 allow an outcome, and amd64 does not.
func onArm(orderings ...string) map[string]string {
	needs := make(map[string]string)
	for _, o := range orderings {
		needs[o] = "LSE Armv8.0"
	}
	return needs
}

var herd = flag.String("herd", "", "write the shapes to this folder, for herd7")

// TestShapes: no model allows what must not be, and each allows it without the orderings that the
// shape needs.
func TestShapes(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			if got := allowing(s.Test); got != s.allowed {
				t.Errorf("%s: allowed by %q, want %q", s.never, got, s.allowed)
			}
			needs := make(map[string]string)
			for name, w := range s.weakened() {
				if by := allowing(w); by != s.allowed {
					needs[name] = by
				}
			}
			if !maps.Equal(needs, s.needs) {
				t.Errorf("%s: with these weakened it is allowed by\n%s\nwant\n%s", s.never, table(needs), table(s.needs))
			}
			if *herd != "" {
				for suffix, lse := range map[string]bool{"-amo": true, "-llsc": false} {
					name := filepath.Join(*herd, s.name+suffix+".litmus")
					if err := os.WriteFile(name, []byte(s.Herd(strings.ReplaceAll(s.name, ".", "-")+suffix, lse)), 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// allowing returns the models that allow a test's outcome.
func allowing(t Test) string {
	var by []string
	for _, m := range Models {
		if m.Allows(t) {
			by = append(by, m.String())
		}
	}
	return strings.Join(by, " ")
}

func table(needs map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(needs)) {
		b.WriteString("\t\t\t\"" + k + "\": \"" + needs[k] + "\",\n")
	}
	return b.String()
}
