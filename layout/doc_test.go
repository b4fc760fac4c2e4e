package layout

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestDocument compares the tables of docs/layout.md with the constants.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)

	want := map[string]int{
		"MinSlots": MinSlots, "MaxSlots": MaxSlots, "MinSlotSize": MinSlotSize, "MaxSlotSize": MaxSlotSize, "MinOwned": MinOwned,
		"MaxPublishers": MaxPublishers, "MaxSubscribers": MaxSubscribers, "MaxClients": MaxClients, "MaxTopics": MaxTopics,
		"MaxFrameSize": MaxFrameSize, "MaxFragments": MaxFragments,
		"StateLive": StateLive, "StateRemoved": StateRemoved, "OwnerHeld": OwnerHeld, "OwnerReady": OwnerReady,
		"ClientFree": ClientFree, "ClientJoined": ClientJoined, "ClientDead": ClientDead,
		"GateOpen": GateOpen, "GateClosed": GateClosed, "GateEvicted": GateEvicted, "GateDemoted": GateDemoted,
		"PolicyLossy": PolicyLossy, "PolicyBlock": PolicyBlock, "PolicyEvict": PolicyEvict, "PolicyDemote": PolicyDemote,
		"Awake": Awake, "Asleep": Asleep, "Claimed": Claimed, "Notified": Notified, "NotYet": NotYet,
		"LiveJoined": LiveJoined, "LiveJoining": LiveJoining,
		"FlagFirst": FlagFirst, "FlagLast": FlagLast, "FlagTime": FlagTime,
		"FramePosition": FramePosition, "FrameInfoOffset": FrameInfoOffset,
	}
	inWords := map[string]bool{"slotBits": true, "tagBits": true, "wakePositionBits": true} // in the table of bits
	for _, f := range fieldTable {
		if !inWords[f.name] {
			want[f.name] = f.value
		}
	}
	lengths := map[string]int{"FramePosition": 8, "FrameInfoOffset": 8, "HeaderReservedEnd": HeaderSize - HeaderReservedEnd}
	for _, rec := range spans {
		for _, f := range rec.fields {
			lengths[f.name] = f.len
		}
	}

	seen := make(map[string]bool)
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\d+) \\|(?: (\\d+) \\|)?")
	for _, m := range row.FindAllStringSubmatch(doc, -1) {
		name := m[1]
		value, ok := want[name]
		switch got, _ := strconv.Atoi(m[2]); {
		case !ok:
			t.Errorf("%s is documented, nobody knows it", name)
		case seen[name]:
			t.Errorf("%s is documented twice", name)
		case got != value:
			t.Errorf("%s is documented as %d, it is %d", name, got, value)
		}
		seen[name] = true
		if length, ok := lengths[name]; ok && m[3] != strconv.Itoa(length) {
			t.Errorf("%s is documented with %q bytes, it has %d", name, m[3], length)
		}
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s is in no table", name)
		}
	}

	words := map[string]func(field string) uint64{
		"Entry": func(f string) uint64 {
			return uint64(MakeEntry(ones[uint32](f == "lap"), ones[uint32](f == "tag"), ones[uint32](f == "slot")))
		},
		"Pair": func(f string) uint64 {
			return uint64(InFlight(ones[uint32](f == "mine"), ones[uint32](f == "displaced")))
		},
		"Owner": func(f string) uint64 {
			return uint64(MakeOwner(int(ones[uint16](f == "client + 1"))-1, ones[uint32](f == "generation"), ones[uint16](f == "state")))
		},
		"ClientState": func(f string) uint64 {
			return uint64(MakeClientState(ones[uint32](f == "generation"), ones[uint32](f == "state")))
		},
		"Gate": func(f string) uint64 {
			return uint64(MakeGate(ones[uint32](f == "generation"), ones[uint32](f == "state")))
		},
		"Wake": func(f string) uint64 {
			return uint64(MakeWake(ones[uint64](f == "position"), ones[uint16](f == "generation"), ones[uint8](f == "state")))
		},
		"FrameInfo": func(f string) uint64 {
			return uint64(MakeFrameInfo(int(ones[uint32](f == "size")), ones[uint8](f == "flags"), ones[uint16](f == "publisher"), ones[uint16](f == "topic")))
		},
	}
	covered := make(map[string]uint64)
	bitRow := regexp.MustCompile(`(?m)^\| (\w+) \| ([a-z][a-z+1 ]*) \| (\d+) \| (\d+) \|$`)
	for _, m := range bitRow.FindAllStringSubmatch(doc, -1) {
		low, _ := strconv.Atoi(m[3])
		bits, _ := strconv.Atoi(m[4])
		mask := (uint64(1)<<bits - 1) << low
		if f, ok := words[m[1]]; !ok || f(m[2]) != mask {
			t.Errorf("%s of %s is documented as %d bits from %d", m[2], m[1], bits, low)
		}
		covered[m[1]] |= mask
	}
	for name := range words {
		if covered[name] != ^uint64(0) {
			t.Errorf("the documented fields of %s cover %#x", name, covered[name])
		}
	}

	m, err := NewMap(Default())
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"default map": m.String(),
		"hash":        fmt.Sprintf("`%#016x`", Hash()),
		"version":     fmt.Sprintf("the version must be %d,", Version),
		"magic":       fmt.Sprintf("%#016x, stored last", Magic),
		"semaphores":  "| bell | 0 |",
	} {
		if !strings.Contains(doc, text) {
			t.Errorf("the document lacks the %s:\n%s", what, text)
		}
	}
	if SemBell != 0 || SemLive(7) != 1+2*7 || SemSleep(7) != 2+2*7 ||
		!strings.Contains(doc, "| live of client c | 1 + 2c |") || !strings.Contains(doc, "| sleep of client c | 2 + 2c |") {
		t.Error("the semaphores are not as documented")
	}
	records := map[string]string{"header": "1", "clients": "clients", "publishers": "publishers", "subscribers": "subscribers", "topics": "topics",
		"interest": "topics", "entries": "slots", "slots": "slots + publishers × owned"}
	sizes := map[string]string{"header": "4096", "interest": "subscribers / 8", "slots": "slot size"}
	for _, s := range append([]Section{{Name: "header", Stride: HeaderSize}}, m.Sections()...) {
		size, ok := sizes[s.Name]
		if !ok {
			size = strconv.Itoa(s.Stride)
		}
		align := map[string]int{"header": pageSize, "slots": pageSize}[s.Name]
		if align == 0 {
			align = Line
		}
		if line := fmt.Sprintf("| %s | %s | %s | %d |", s.Name, size, records[s.Name], align); !strings.Contains(doc, line) {
			t.Errorf("the document lacks the section %s", line)
		}
	}
}

// ones returns a number of all ones, or 0.
func ones[T ~uint8 | ~uint16 | ~uint32 | ~uint64](yes bool) T {
	if yes {
		return ^T(0)
	}
	return 0
}
