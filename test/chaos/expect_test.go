//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/layout"
)

const (
	testStart = 1<<38 - 20
	testSlots = 16
)

// A script makes a truth, and the log that a subscription to everything writes of it.
type script struct {
	truth *truth
	log   []event
	seqs  map[uint32]uint32
}

func newScript() *script {
	s := &script{truth: newTruth(testStart, 1024), seqs: map[uint32]uint32{}}
	s.log = []event{{kind: evStart, a: testStart, b: testStart}}
	return s
}

func (s *script) head() uint64 { return s.truth.head.Load() }

// whole publishes a message of one slot, which is delivered.
func (s *script) whole(record uint16, topic uint8) {
	s.log = append(s.log, s.silentWhole(record, topic))
}

// silentWhole publishes a message of one slot, and returns the event of its delivery.
func (s *script) silentWhole(record uint16, topic uint8) event {
	p := s.head()
	f := fact{publisher: uint32(record) + 100, first: p, record: record, topic: topic, flags: layout.FlagWhole}
	f.number = s.seqs[f.publisher]
	s.seqs[f.publisher]++
	s.truth.add(f)
	return delivery(p, f)
}

func delivery(p uint64, f fact) event {
	return event{kind: evDeliver, a: p, b: uint64(f.publisher)<<32 | uint64(f.number), c: uint64(f.record)<<32 | uint64(f.topic)}
}

// fragments publishes parts from … to-1 of a frame of n, and returns the event of its delivery.
func (s *script) fragments(record uint16, first uint64, from, to, n int) event {
	var e event
	for i := from; i < to; i++ {
		f := fact{publisher: uint32(record) + 100, number: s.seqs[uint32(record)+100], first: first, part: uint32(i), record: record}
		if i == 0 {
			f.flags |= layout.FlagFirst
		}
		if i == n-1 {
			f.flags |= layout.FlagLast
			s.seqs[f.publisher]++
		}
		e = delivery(s.head(), f)
		s.truth.add(f)
	}
	return e
}

func (s *script) judge(t *testing.T, policy string) error {
	t.Helper()
	received, lost, position := uint64(0), uint64(0), uint64(testStart)
	x := newExpectation(s.truth, wishOf([]string{">"}), policy, testSlots)
	for _, e := range s.log {
		switch e.kind {
		case evDeliver:
			received++
			position = e.a + 1
		case evLoss:
			lost += e.c
			position = max(position, e.b)
		}
		require.LessOrEqual(t, x.needs(e), s.head(), "%+v", e)
		if err := x.take(e); err != nil {
			return err
		}
	}
	return x.take(event{kind: evEnd, a: position, b: received, c: lost})
}

// ordinary is ten messages, of one slot and of three, all delivered.
func ordinary() *script {
	s := newScript()
	for i := range 5 {
		s.whole(uint16(i%2), 0)
		p := s.head()
		s.fragments(2, p, 0, 2, 3)
		s.whole(1, 1)
		s.log = append(s.log, s.fragments(2, p, 2, 3, 3))
	}
	return s
}

func TestExpectationAcceptsWhatIsRight(t *testing.T) {
	for _, policy := range []string{"lossy", "reliable", "evict", "demote"} {
		require.NoError(t, ordinary().judge(t, policy))
	}
}

func TestExpectationCatches(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tamper func(s *script)
		want   string
	}{
		{"duplicate", func(s *script) { s.log = append(s.log[:4], s.log[3:]...) }, "again"},
		{"missing", func(s *script) { s.log = append(s.log[:3], s.log[4:]...) }, "missing"},
		{"reordered", func(s *script) { s.log[3], s.log[4] = s.log[4], s.log[3] }, "missing"},
		{"positions swapped", func(s *script) { s.log[1].a, s.log[2].a = s.log[2].a, s.log[1].a }, "missing"},
		{"contents swapped", func(s *script) { s.log[1].b, s.log[2].b = s.log[2].b, s.log[1].b }, "holds publisher"},
		{"another number", func(s *script) { s.log[5].b++ }, "holds publisher"},
		{"another record", func(s *script) { s.log[5].c += 1 << 32 }, "came from record"},
		{"another topic", func(s *script) { s.log[5].c ^= 1 }, "came from record"},
		{"loss of nothing", func(s *script) {
			p := s.log[4].a
			s.log[4] = event{evLoss, p, p + 1, 1, p + 3}
		}, "nothing was overwritten"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ordinary()
			tt.tamper(s)
			require.ErrorContains(t, s.judge(t, "lossy"), tt.want)
		})
	}
}

func TestExpectationCatchesWhatIsMissingAtTheEnd(t *testing.T) {
	s := ordinary()
	x := newExpectation(s.truth, wishOf([]string{">"}), "lossy", testSlots)
	for _, e := range s.log[:len(s.log)-1] {
		require.NoError(t, x.take(e))
	}
	n := uint64(len(s.log) - 2)
	require.ErrorContains(t, x.take(event{kind: evEnd, a: s.head(), b: n}), "missing")
	x.over = false
	require.ErrorContains(t, x.take(event{kind: evEnd, a: x.next, b: n + 1}), "counted")
}

func TestExpectationKnowsTheReliable(t *testing.T) {
	s := newScript()
	s.whole(0, 0)
	for range 20 {
		s.silentWhole(0, 0)
	}
	s.log = append(s.log, event{evLoss, testStart + 1, testStart + 5, 4, s.head()})
	for p := uint64(testStart + 5); p < s.head(); p++ {
		s.log = append(s.log, delivery(p, *s.truth.at(p)))
	}
	require.NoError(t, s.judge(t, "lossy"))
	require.NoError(t, s.judge(t, "demote"))
	require.ErrorContains(t, s.judge(t, "reliable"), "a reliable subscription lost")
	require.ErrorContains(t, s.judge(t, "evict"), "evicted instead")

	for _, tt := range []struct {
		name string
		loss event
	}{
		{"count one more", event{evLoss, testStart + 1, testStart + 5, 5, s.head()}},
		{"count one less", event{evLoss, testStart + 1, testStart + 5, 3, s.head()}},
		{"begins too late", event{evLoss, testStart + 2, testStart + 5, 3, s.head()}},
		{"begins too early", event{evLoss, testStart, testStart + 5, 5, s.head()}},
		{"ends too late", event{evLoss, testStart + 1, testStart + 6, 5, s.head()}},
		{"ends too early", event{evLoss, testStart + 1, testStart + 4, 3, s.head()}},
		{"beyond the head", event{evLoss, testStart + 1, s.head() + 1, s.head() - testStart, s.head()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := *s
			u.log = append([]event{}, s.log...)
			u.log[2] = tt.loss
			if tt.loss.b > u.head() {
				u.silentWhole(0, 0)
			}
			require.Error(t, u.judge(t, "lossy"))
		})
	}
}

// brokenFrame is a subscription that loses the middle of a frame of four fragments.
func brokenFrame() (s *script, debt int) {
	s = newScript()
	first := s.head()
	s.fragments(0, first, 0, 2, 4)
	from := s.head()
	s.fragments(0, first, 2, 3, 4)
	for range testSlots {
		s.silentWhole(1, 0)
	}
	s.log = append(s.log, event{evLoss, from, from + 3, 3, s.head()})
	for p := from + 3; p < s.head(); p++ {
		s.log = append(s.log, delivery(p, *s.truth.at(p)))
	}
	s.fragments(0, first, 3, 4, 4)
	s.log = append(s.log, event{evLoss, first, s.head(), 3, s.head()})
	return s, len(s.log) - 1
}

func TestExpectationAccountsForFragments(t *testing.T) {
	s, _ := brokenFrame()
	require.NoError(t, s.judge(t, "lossy"))

	s, debt := brokenFrame()
	s.log[debt].c++
	require.Error(t, s.judge(t, "lossy"), "a position too many")

	s, debt = brokenFrame()
	s.log[debt].c--
	require.Error(t, s.judge(t, "lossy"), "a position too few")

	s, debt = brokenFrame()
	s.log = s.log[:debt]
	s.whole(0, 0)
	require.ErrorContains(t, s.judge(t, "lossy"), "was not reported")

	s, debt = brokenFrame()
	p := s.head() - 1
	s.log[debt] = delivery(p, *s.truth.at(p))
	require.ErrorContains(t, s.judge(t, "lossy"), "not to be")
}

func TestExpectationOfFramesThatWereGivenUp(t *testing.T) {
	s := newScript()
	s.fragments(0, s.head(), 0, 2, 4)
	s.whole(0, 0)
	require.NoError(t, s.judge(t, "reliable"))

	s = newScript()
	p := s.head()
	s.fragments(0, p, 0, 2, 4)
	s.whole(0, 0)
	s.log = append(s.log[:1], event{evLoss, p, p + 2, 2, s.head()}, s.log[1])
	require.Error(t, s.judge(t, "lossy"), "a loss of what never was a message")

	// Who joins in the middle of a frame has lost nothing.
	s = newScript()
	s.fragments(0, p, 0, 2, 4)
	s.log[0] = event{kind: evStart, a: s.head(), b: s.head()}
	s.fragments(0, p, 2, 4, 4)
	s.whole(0, 0)
	require.NoError(t, s.judge(t, "reliable"))
}

// A reader that saw the publisher's next message in place, before that was overwritten, knows that
// the frame was given up.
func TestExpectationOfWhatWasSeenInPlace(t *testing.T) {
	for _, next := range []uint16{0, 1} {
		s := newScript()
		s.fragments(0, s.head(), 0, 1, 4)
		from := s.head()
		s.silentWhole(next, 0)
		for range testSlots {
			s.silentWhole(2, 0)
		}
		s.log = append(s.log, event{evLoss, from, from + 1, 1, s.head()})
		for p := from + 1; p < s.head(); p++ {
			s.log = append(s.log, delivery(p, *s.truth.at(p)))
		}
		s.whole(0, 0)
		if err := s.judge(t, "lossy"); next == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "was not reported")
		}
	}
}

// What it knows stays so, whatever is lost afterwards: in place it saw the beginning of the next
// frame, or of the next but one message is lost too. A frame of which the rest is lost is owed with
// or without the one before.
func TestExpectationOfWhatWasSeenInPlaceAndThenLost(t *testing.T) {
	for _, tt := range []struct {
		name string
		debt event // relative to the start, count and all; none if the count is 0
		want string
	}{
		{"all that was there", event{evLoss, 0, 5, 3, 0}, ""},
		{"without what was given up", event{evLoss, 2, 5, 2, 0}, ""},
		{"one too few", event{evLoss, 2, 5, 1, 0}, "dealt with"},
		{"all, from the wrong position", event{evLoss, 2, 5, 3, 0}, "dealt with"},
		{"only what was given up", event{evLoss, 0, 5, 1, 0}, "dealt with"},
		{"nothing", event{}, "not reported"},
	} {
		t.Run("the rest of the frame is lost: "+tt.name, func(t *testing.T) {
			s := newScript()
			s.fragments(0, testStart, 0, 1, 4)
			s.fragments(0, testStart+1, 0, 2, 3)
			between := s.silentWhole(1, 0)
			s.fragments(0, testStart+1, 2, 3, 3)
			for range testSlots {
				s.silentWhole(1, 0)
			}
			s.log = append(s.log, event{evLoss, testStart + 1, testStart + 2, 1, s.head()}, between)
			if d := tt.debt; d.c > 0 {
				s.log = append(s.log, event{evLoss, testStart + d.a, testStart + d.b, d.c, s.head()})
			}
			for p := uint64(testStart + 5); p < s.head(); p++ {
				s.log = append(s.log, delivery(p, *s.truth.at(p)))
			}
			if err := s.judge(t, "lossy"); tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}

	for _, tt := range []struct {
		name string
		next uint16 // record of the message that was seen in place
		debt uint64
		want string
	}{
		{"silent", 0, 0, ""},
		{"reported", 0, 1, ""},
		{"too many", 0, 2, "dealt with"},
		{"of another record", 1, 0, "not reported"},
	} {
		t.Run("more is lost: "+tt.name, func(t *testing.T) {
			s := newScript()
			s.fragments(0, testStart, 0, 1, 4)
			s.silentWhole(tt.next, 0)
			s.silentWhole(2, 0)
			for range testSlots {
				s.silentWhole(3, 0)
			}
			for lost := range uint64(2) {
				s.log = append(s.log, event{evLoss, testStart + 1 + lost, testStart + 2 + lost, 1, s.head()})
			}
			for p := uint64(testStart + 3); p < s.head(); p++ {
				s.log = append(s.log, delivery(p, *s.truth.at(p)))
			}
			if tt.debt > 0 {
				s.log = append(s.log, event{evLoss, testStart, s.head(), tt.debt, s.head()})
			}
			s.whole(0, 0)
			if err := s.judge(t, "lossy"); tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

// Who wants a quiet topic only may report a loss long after the last thing it said, as far back as
// the truth reaches.
func TestExpectationOfALateReport(t *testing.T) {
	for _, tt := range []struct {
		between int
		want    string
	}{{truthSize / 2, ""}, {truthSize * 7 / 8, "dealt with"}} {
		truth := newTruth(testStart, truthSize)
		x := newExpectation(truth, wishOf([]string{"quiet.>"}), "lossy", testSlots)
		quiet := fact{publisher: 1, number: 1, first: testStart, topic: uint8(quietTopic), flags: layout.FlagFirst}
		truth.add(quiet)
		loud := fact{publisher: 2, record: 1, flags: layout.FlagWhole}
		for range testSlots + 1 {
			truth.add(loud)
		}
		lost := truth.head.Load() - testSlots
		require.NoError(t, x.take(event{kind: evStart, a: testStart, b: testStart}))
		require.NoError(t, x.take(event{evLoss, testStart + 1, lost, lost - testStart - 1, truth.head.Load()}))
		for range tt.between {
			truth.add(loud)
		}
		again := truth.head.Load()
		quiet.first = again
		truth.add(quiet)
		if err := x.take(event{evLoss, testStart, again, 1, again + 1}); tt.want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, tt.want)
		}
	}
}

func TestExpectationOfEvictions(t *testing.T) {
	s := newScript()
	s.whole(0, 0)
	end := s.head()
	s.log = append(s.log, event{evEvicted, end, end, 0, end})
	require.NoError(t, s.judge(t, "evict"))
	require.ErrorContains(t, s.judge(t, "reliable"), "policy")
	s.silentWhole(0, 0)
	s.log[2] = event{evEvicted, end + 1, end + 1, 0, end + 1}
	require.ErrorContains(t, s.judge(t, "evict"), "missing", "what it has not read is not counted")
}

func TestExpectationFindsTheStuck(t *testing.T) {
	s := newScript()
	s.whole(0, 0)
	x := newExpectation(s.truth, wishOf([]string{"chaos.b"}), "lossy", testSlots)
	require.NoError(t, x.take(s.log[0]))
	require.NoError(t, x.overdue(s.head()), "it does not want that topic")
	s.whole(0, 1)
	require.ErrorContains(t, x.overdue(s.head()), "missing")
	require.NoError(t, x.take(s.log[2]))
	require.NoError(t, x.overdue(s.head()))
}

func TestWishes(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		want     wish
	}{
		{[]string{">"}, wish{true, true, true, true}},
		{[]string{"chaos.*"}, wish{true, true, false, false}},
		{[]string{"chaos.b.>", "chaos.a"}, wish{true, false, true, false}},
		{[]string{"quiet.>"}, wish{false, false, false, true}},
		{[]string{"*.b"}, wish{false, true, false, false}},
	} {
		require.Equal(t, tt.want, wishOf(tt.patterns), "%v", tt.patterns)
	}
}
