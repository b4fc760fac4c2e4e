//go:build linux

package main

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/internal/testload"
	"shmbus/layout"
	"shmbus/ring"
)

// A desk is an auditor without a ring.
func newDesk() *auditor { return &auditor{accounts: new(accounts)} }

func info(record uint16, size int, flags uint8) layout.FrameInfo {
	return layout.MakeFrameInfo(size, flags, record, 0)
}

func frameOf(publisher uint32, number uint64, n int) []byte {
	b := make([]byte, n)
	testload.Fill(b, testload.Stamp{Sender: publisher, Number: number})
	return b
}

func fragment(total, part int, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(part)<<32|uint64(total)), b...)
}

func TestAuditorCatches(t *testing.T) {
	const whole = layout.FlagWhole
	frame := frameOf(2, 0, 200)
	torn := frameOf(1, 0, 40)
	torn[30] ^= 1
	other := frameOf(2, 1, 200)
	type slot struct {
		flags   uint8
		payload []byte
	}
	for _, tt := range []struct {
		name  string
		slots []slot
		want  string
	}{
		{"nothing", []slot{{whole, frameOf(1, 0, 40)}, {whole, frameOf(1, 1, 40)}}, ""},
		{"torn", []slot{{whole, torn}}, "torn"},
		{"published twice", []slot{{whole, frameOf(1, 0, 40)}, {whole, frameOf(1, 0, 40)}}, "expected 1"},
		{"a number left out", []slot{{whole, frameOf(1, 0, 40)}, {whole, frameOf(1, 2, 40)}}, "expected 1"},
		{"fragments", []slot{{layout.FlagFirst, fragment(200, 0, frame[:100])}, {layout.FlagLast, fragment(200, 1, frame[100:])}}, ""},
		{"halves of two frames", []slot{{layout.FlagFirst, fragment(200, 0, frame[:100])}, {layout.FlagLast, fragment(200, 1, other[100:])}}, "torn"},
		{"a fragment left out", []slot{{layout.FlagFirst, fragment(200, 0, frame[:50])}, {layout.FlagLast, fragment(200, 2, frame[100:])}}, "expected 1"},
		{"no beginning", []slot{{layout.FlagLast, fragment(200, 1, frame[100:])}}, "fragment 1"},
		{"too short", []slot{{layout.FlagFirst, fragment(200, 0, frame[:50])}, {layout.FlagLast, fragment(200, 1, frame[100:])}}, "says 200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newDesk()
			var err error
			for i, s := range tt.slots {
				if _, err = a.judge(uint64(i), info(3, len(s.payload), s.flags), s.payload); err != nil {
					break
				}
			}
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
	_, err := newDesk().judge(0, info(maxRecords, 40, whole), frameOf(1, 0, 40))
	require.ErrorContains(t, err, "which there is not")
}

func TestAccounts(t *testing.T) {
	a := new(accounts)
	for i := range uint64(10) {
		require.NoError(t, a.publish(testload.Stamp{Sender: 3, Number: i, Tag: 1}, 4))
		require.NoError(t, a.publish(testload.Stamp{Sender: 2, Number: i, Tag: 1}, 5))
	}
	require.NoError(t, a.settle(3, 10, 10))
	require.NoError(t, a.settle(3, 11, 10), "begun and not published")
	require.NoError(t, a.settle(3, 10, 9), "published and not acknowledged yet")
	require.ErrorContains(t, a.settle(3, 11, 11), "were acknowledged", "acknowledged and not published")
	require.ErrorContains(t, a.settle(3, 9, 9), "only 9 begun", "a phantom")
	require.NoError(t, a.settle(77, 0, 0))
	require.ErrorContains(t, a.publish(testload.Stamp{Sender: 2, Number: 10, Tag: 1}, 4), "moved", "from the one record of an exclusive publisher")
	require.ErrorContains(t, a.publish(testload.Stamp{Sender: 3, Number: 10, Tag: 2}, 4), "moved", "to another topic")
	require.NoError(t, a.publish(testload.Stamp{Sender: 3, Number: 10, Tag: 1}, 5), "a reservation of a publisher for any goroutine")
	require.ErrorContains(t, a.publish(testload.Stamp{Sender: 1 << 30}, 5), "never was")
}

func newTestRing(t *testing.T) *ring.Ring {
	g := layout.Default()
	g.Slots, g.Publishers, g.Subscribers, g.Clients, g.Topics = 64, 4, 64, 8, 8
	r, err := ring.NewHeap(g)
	require.NoError(t, err)
	return r
}

func TestBooks(t *testing.T) {
	require.NoError(t, balanced(newTestRing(t).Audit()))
	for _, b := range []ring.Books{
		{Total: 10, Ring: 8, Owned: 2, Twice: []uint32{3}},
		{Total: 10, Ring: 8, Owned: 2, Missing: []uint32{3}},
		{Total: 10, Ring: 8, Owned: 1},
	} {
		require.Error(t, balanced(b), "%+v", b)
	}
}

func TestVacant(t *testing.T) {
	m, err := layout.NewMap(newTestRing(t).Layout().Geometry)
	require.NoError(t, err)
	require.NoError(t, vacant(make([]byte, m.Size), m))
	client := uint64(layout.MakeClientState(1, layout.ClientJoined))
	for _, tt := range []struct {
		name  string
		words map[int]uint64
	}{
		{"sleeper", map[int]uint64{layout.HeaderSleepers: 4}},
		{"gate bit", map[int]uint64{layout.HeaderGates: 4}},
		{"blocked", map[int]uint64{layout.HeaderBlocked: 1}},
		{"interest", map[int]uint64{m.Interest.At(7): 1}},
		{"publisher", map[int]uint64{m.Publishers.At(3) + layout.PubOwner: 1}},
		{"intent", map[int]uint64{m.Publishers.At(0) + layout.PubIntent: 9}},
		{"publisher asleep", map[int]uint64{m.Publishers.At(0) + layout.PubWake: layout.Asleep}},
		{"subscriber", map[int]uint64{m.Subscribers.At(63) + layout.SubOwner: 1}},
		{"gate", map[int]uint64{m.Subscribers.At(1) + layout.SubGate: uint64(layout.MakeGate(1, layout.GateClosed))}},
		{"subscriber claimed", map[int]uint64{m.Subscribers.At(1) + layout.SubWake: layout.Claimed}},
		{"clients", map[int]uint64{m.Clients.At(0) + layout.ClientStateWord: client, m.Clients.At(5) + layout.ClientStateWord: client}},
	} {
		mem := make([]byte, m.Size)
		for off, v := range tt.words {
			binary.LittleEndian.PutUint64(mem[off:], v)
		}
		require.Error(t, vacant(mem, m), tt.name)
	}
}

func TestStandstill(t *testing.T) {
	var s standstill
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	s.look(true, at(0))
	s.look(false, at(10))
	s.look(true, at(50)) // the observer was away from 10 to 50
	longest, _ := s.read(at(50))
	require.Equal(t, 10*time.Millisecond, longest)
	s.excuse(at(60))
	s.look(false, at(100))
	longest, present := s.read(at(100))
	require.Equal(t, 10*time.Millisecond, longest)
	require.Equal(t, 40*time.Millisecond, present)
}

func TestObituaries(t *testing.T) {
	var o obituaries
	o.died(1, 100, true)
	o.reported(1, 150)
	o.reported(2, 170) // before its end was seen
	o.died(2, 150, false)
	o.died(3, 0, false)
	o.perhaps(4)
	require.Equal(t, []time.Duration{50}, o.with)
	require.Equal(t, []time.Duration{20}, o.without)
	require.Equal(t, 1, o.missing())
	p50, p99, most := quantiles([]time.Duration{5, 1, 3})
	require.Equal(t, []time.Duration{3, 3, 5}, []time.Duration{p50, p99, most})
}
