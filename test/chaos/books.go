//go:build linux

package main

import (
	"encoding/binary"
	"fmt"

	"shmbus/layout"
	"shmbus/ring"
)

// balanced says what is wrong with the account of all slots.
func balanced(b ring.Books) error {
	if !b.Balanced() {
		return fmt.Errorf("of %d slots, %d are in the ring, %d owned, %d not settled; twice: %v, missing: %v",
			b.Total, b.Ring, b.Owned, b.Unsettled, b.Twice, b.Missing)
	}
	return nil
}

// vacant says what still belongs to somebody in the segment of a bus that everybody has left. It
// reads the words as docs/layout.md draws them.
func vacant(mem []byte, m layout.Map) error {
	word := func(off int) uint64 { return binary.LittleEndian.Uint64(mem[off:]) }
	for _, bits := range []struct {
		name       string
		off, words int
	}{
		{"sleeper", layout.HeaderSleepers, m.Geometry.SubscriberWords()},
		{"gate", layout.HeaderGates, m.Geometry.SubscriberWords()},
		{"blocked", layout.HeaderBlocked, m.Geometry.PublisherWords()},
		{"interest", m.Interest.At(0), m.Geometry.SubscriberWords() * m.Geometry.Topics},
	} {
		for i := range bits.words {
			if v := word(bits.off + 8*i); v != 0 {
				return fmt.Errorf("%s bits are left in word %d: %#x", bits.name, i, v)
			}
		}
	}
	for p := range m.Geometry.Publishers {
		at := m.Publishers.At(p)
		for _, f := range []struct {
			name string
			off  int
		}{{"owner", layout.PubOwner}, {"intent", layout.PubIntent}, {"topic", layout.PubTopic}} {
			if v := word(at + f.off); v != 0 {
				return fmt.Errorf("publisher record %d has %s %#x", p, f.name, v)
			}
		}
		if w := layout.Wake(word(at + layout.PubWake)); w.State() != layout.Awake {
			return fmt.Errorf("publisher record %d has wake word %#x", p, uint64(w))
		}
	}
	for s := range m.Geometry.Subscribers {
		at := m.Subscribers.At(s)
		if v := word(at + layout.SubOwner); v != 0 {
			return fmt.Errorf("subscriber record %d has owner %#x", s, v)
		}
		if g := layout.Gate(word(at + layout.SubGate)); g.State() == layout.GateClosed {
			return fmt.Errorf("the gate of subscriber record %d is closed", s)
		}
		if w := layout.Wake(word(at + layout.SubWake)); w.State() != layout.Awake {
			return fmt.Errorf("subscriber record %d has wake word %#x", s, uint64(w))
		}
	}
	joined := 0
	for cl := range m.Geometry.Clients {
		if layout.ClientState(word(m.Clients.At(cl)+layout.ClientStateWord)).State() == layout.ClientJoined {
			joined++
		}
	}
	if joined > 1 {
		return fmt.Errorf("%d clients, where only the coordinator should be", joined)
	}
	return nil
}
