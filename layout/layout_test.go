package layout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// frozen is every number that two programs must agree on. When this test fails, the layout has
// changed: bump Version when this changes, then correct this table, the hash below, and
// docs/layout.md.
var frozen = map[string]int{
	"Line": 128, "HeaderSize": 4096, "ClientRecordSize": 128, "PublisherRecordSize": 384, "SubscriberRecordSize": 512,
	"TopicRecordSize": 256, "EntrySize": 8, "FrameHeaderSize": 16, "FragmentPrefix": 8, "TimeSize": 8, "MaxOwned": 12,
	"slotBits": 20, "tagBits": 12, "wakePositionBits": 46,

	"HeaderMagic": 0, "HeaderVersion": 8, "HeaderLength": 12, "HeaderHash": 16, "HeaderUUID": 24, "HeaderSlots": 40,
	"HeaderSlotSize": 44, "HeaderOwned": 48, "HeaderPublishers": 52, "HeaderSubscribers": 56, "HeaderClients": 60,
	"HeaderTopics": 64, "HeaderMaxFrame": 68, "HeaderSegmentSize": 72, "HeaderCreated": 80, "HeaderSemID": 88,
	"HeaderKey": 92, "HeaderCreator": 96, "HeaderChecksum": 100, "HeaderName": 128,

	"HeaderState": 256, "HeaderTopicVersion": 384, "HeaderClientHigh": 392, "HeaderPubHigh": 400, "HeaderSubHigh": 408,
	"HeaderCertified": 512, "HeaderDeaths": 640, "HeaderPosts": 648, "HeaderEvictions": 656, "HeaderReclaimed": 664,
	"HeaderBellResets": 672, "HeaderSleepers": 768, "HeaderGates": 896, "HeaderBlocked": 1024, "HeaderReservedEnd": 1536,

	"NameSize": 64, "TopicNameSize": 200, "PatternSize": 128,

	"ClientStateWord": 0, "ClientPid": 8, "ClientSince": 16, "ClientFlags": 24, "ClientName": 32, "ClientDied": 96,

	"PubIntent": 0, "PubMessages": 8, "PubBytes": 16, "PubFull": 24, "PubOwned": 32, "PubWake": 128, "PubOwner": 256,
	"PubTopic": 264, "PubSince": 272,

	"SubCursor": 0, "SubReceived": 8, "SubBytes": 16, "SubLost": 24, "SubLosses": 32, "SubSleeps": 40, "SubWake": 128,
	"SubPosts": 136, "SubOwner": 256, "SubGate": 264, "SubPolicy": 272, "SubPatience": 280, "SubMatched": 288,
	"SubSince": 296, "SubPattern": 384,

	"TopicOwner": 0, "TopicHashWord": 8, "TopicMessages": 16, "TopicBytes": 24, "TopicLength": 32, "TopicName": 40,
}

const (
	frozenVersion = 2
	frozenHash    = 0x074b788a58fcd9bc
)

func TestFrozen(t *testing.T) {
	if Version != frozenVersion || Hash() != frozenHash {
		t.Errorf("version %d, hash %#016x; frozen are %d and %#016x: bump Version when this changes", Version, Hash(), frozenVersion, uint64(frozenHash))
	}
	seen := make(map[string]bool)
	for _, f := range fieldTable {
		if seen[f.name] {
			t.Errorf("%s is in fieldTable twice", f.name)
		}
		seen[f.name] = true
		if want, ok := frozen[f.name]; !ok || f.value != want {
			t.Errorf("%s = %d, frozen is %d", f.name, f.value, want)
		}
	}
	for name := range frozen {
		if !seen[name] {
			t.Errorf("%s is not in fieldTable, so the hash does not cover it", name)
		}
	}
	// Numbers that the hash does not cover, but that are stored or bound a stored value.
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"Magic", int(Magic), 0x737562_6d6873},
		{"StateLive", StateLive, 1}, {"StateRemoved", StateRemoved, 2},
		{"ClientDaemon", ClientDaemon, 1}, {"ClientFree", ClientFree, 0}, {"ClientJoined", ClientJoined, 1},
		{"PolicyLossy", PolicyLossy, 0}, {"PolicyBlock", PolicyBlock, 1}, {"PolicyEvict", PolicyEvict, 2}, {"PolicyDemote", PolicyDemote, 3},
		{"OwnerHeld", OwnerHeld, 1}, {"OwnerReady", OwnerReady, 2},
		{"GateOpen", GateOpen, 0}, {"GateClosed", GateClosed, 1}, {"GateEvicted", GateEvicted, 2}, {"GateDemoted", GateDemoted, 3},
		{"Awake", Awake, 0}, {"Asleep", Asleep, 1}, {"Claimed", Claimed, 2}, {"Notified", Notified, 3},
		{"FlagFirst", FlagFirst, 1}, {"FlagLast", FlagLast, 2}, {"FlagTime", FlagTime, 4}, {"FlagWhole", FlagWhole, 3},
		{"FramePosition", FramePosition, 0}, {"FrameInfoOffset", FrameInfoOffset, 8},
		{"SemBell", SemBell, 0}, {"SemLive(0)", int(SemLive(0)), 1}, {"SemSleep(0)", int(SemSleep(0)), 2},
		{"SemLive(8191)", int(SemLive(MaxClients - 1)), 16383}, {"SemSleep(8191)", int(SemSleep(MaxClients - 1)), 16384},
	} {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d: bump Version when this changes", c.name, c.got, c.want)
		}
	}
}

// A span is a field, with its size and the process that writes it while the bus is live.
type span struct {
	name     string
	off, len int
	writer   string
}

const (
	creator = "creator"
	owner   = "owner"    // of the record
	others  = "others"   // any process
	claim   = "claimant" // takes or frees the record, seldom
)

func words(writer string, names ...string) []span {
	var s []span
	for _, n := range names {
		s = append(s, span{n, frozen[n], 8, writer})
	}
	return s
}

var spans = map[string]struct {
	size   int
	fields []span
}{
	"Header": {HeaderSize, slices.Concat(
		[]span{
			{"HeaderMagic", HeaderMagic, 8, creator}, {"HeaderVersion", HeaderVersion, 4, creator}, {"HeaderLength", HeaderLength, 4, creator},
			{"HeaderHash", HeaderHash, 8, creator}, {"HeaderUUID", HeaderUUID, 16, creator},
			{"HeaderSlots", HeaderSlots, 4, creator}, {"HeaderSlotSize", HeaderSlotSize, 4, creator}, {"HeaderOwned", HeaderOwned, 4, creator},
			{"HeaderPublishers", HeaderPublishers, 4, creator}, {"HeaderSubscribers", HeaderSubscribers, 4, creator},
			{"HeaderClients", HeaderClients, 4, creator}, {"HeaderTopics", HeaderTopics, 4, creator}, {"HeaderMaxFrame", HeaderMaxFrame, 4, creator},
			{"HeaderSegmentSize", HeaderSegmentSize, 8, creator}, {"HeaderCreated", HeaderCreated, 8, creator},
			{"HeaderSemID", HeaderSemID, 4, creator}, {"HeaderKey", HeaderKey, 4, creator}, {"HeaderCreator", HeaderCreator, 4, creator}, {"HeaderChecksum", HeaderChecksum, 4, creator},
			{"HeaderName", HeaderName, NameSize, creator},
			{"HeaderState", HeaderState, 8, "remover"},
			{"HeaderCertified", HeaderCertified, 8, "certifiers"},
			{"HeaderSleepers", HeaderSleepers, MaxSubscribers / 8, "sleepers"},
			{"HeaderGates", HeaderGates, MaxSubscribers / 8, "subscribers"},
			{"HeaderBlocked", HeaderBlocked, MaxPublishers / 8, "publishers"},
		},
		words("joiners", "HeaderTopicVersion", "HeaderClientHigh", "HeaderPubHigh", "HeaderSubHigh"),
		words("counts", "HeaderDeaths", "HeaderPosts", "HeaderEvictions", "HeaderReclaimed", "HeaderBellResets"),
	)},
	"Client": {ClientRecordSize, append(words(owner, "ClientStateWord", "ClientPid", "ClientSince", "ClientFlags"),
		span{"ClientName", ClientName, NameSize, owner}, span{"ClientDied", ClientDied, 8, owner})},
	"Pub": {PublisherRecordSize, slices.Concat(
		words(owner, "PubIntent", "PubMessages", "PubBytes", "PubFull"),
		[]span{{"PubOwned", PubOwned, 8 * MaxOwned, owner}},
		words(others, "PubWake"),
		words(claim, "PubOwner", "PubTopic", "PubSince"),
	)},
	"Sub": {SubscriberRecordSize, slices.Concat(
		words(owner, "SubCursor", "SubReceived", "SubBytes", "SubLost", "SubLosses", "SubSleeps"),
		words(others, "SubWake", "SubPosts"),
		words(claim, "SubOwner", "SubGate", "SubPolicy", "SubPatience", "SubMatched", "SubSince"),
		[]span{{"SubPattern", SubPattern, PatternSize, "text"}},
	)},
	"Topic": {TopicRecordSize, append(words(owner, "TopicOwner", "TopicHashWord", "TopicMessages", "TopicBytes", "TopicLength"),
		span{"TopicName", TopicName, TopicNameSize, owner})},
}

func TestFieldsFitTheirRecords(t *testing.T) {
	for prefix, rec := range spans {
		t.Run(prefix, func(t *testing.T) {
			listed := make(map[string]bool)
			fields := slices.SortedFunc(slices.Values(rec.fields), func(a, b span) int { return cmp.Compare(a.off, b.off) })
			for i, f := range fields {
				listed[f.name] = true
				if align := min(f.len&-f.len, 8); f.off%align != 0 {
					t.Errorf("%s at %d is not aligned to %d", f.name, f.off, align)
				}
				if f.off < 0 || f.off+f.len > rec.size {
					t.Errorf("%s, %d…%d, is outside the record of %d bytes", f.name, f.off, f.off+f.len, rec.size)
				}
				if i == 0 {
					continue
				}
				before := fields[i-1]
				if before.off+before.len > f.off {
					t.Errorf("%s, %d…%d, overlaps %s at %d", before.name, before.off, before.off+before.len, f.name, f.off)
				}
				if before.writer != f.writer && f.off/Line == (before.off+before.len-1)/Line {
					t.Errorf("%s (%s) and %s (%s) are written by different processes in one line of %d bytes",
						before.name, before.writer, f.name, f.writer, Line)
				}
			}
			for name := range frozen {
				switch {
				case !strings.HasPrefix(name, prefix), strings.HasSuffix(name, "Size"), name == "HeaderReservedEnd":
				case !listed[name]:
					t.Errorf("%s is not in this test's table", name)
				}
			}
			if last := fields[len(fields)-1]; prefix == "Header" && last.off+last.len != HeaderReservedEnd {
				t.Errorf("%s ends at %d, not at HeaderReservedEnd %d", last.name, last.off+last.len, HeaderReservedEnd)
			}
		})
	}
}

// TestRecordsKeepLines: no two records share a line.
func TestRecordsKeepLines(t *testing.T) {
	for _, size := range []int{HeaderSize, ClientRecordSize, PublisherRecordSize, SubscriberRecordSize, TopicRecordSize} {
		if size%Line != 0 {
			t.Errorf("a record of %d bytes is not a multiple of Line %d", size, Line)
		}
	}
}

// TestHashCoversEveryField: the hash changes with each value.
func TestHashCoversEveryField(t *testing.T) {
	hash := func() uint64 {
		var b strings.Builder
		for _, f := range fieldTable {
			fmt.Fprintf(&b, "%s=%d;", f.name, f.value)
		}
		return TopicHash(b.String()) // the same FNV-1a
	}
	if hash() != Hash() {
		t.Fatalf("hash %x, computed otherwise %x", Hash(), hash())
	}
	for i := range fieldTable {
		fieldTable[i].value++
		if hash() == Hash() {
			t.Errorf("the hash does not notice a change of %s", fieldTable[i].name)
		}
		fieldTable[i].value--
	}
}
