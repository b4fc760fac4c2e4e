package layout

import (
	"fmt"
	"hash/fnv"
)

// Hash returns a number that depends on every size and offset of the layout. Programs that disagree
// about one of them do not share a segment.
func Hash() uint64 { return layoutHash }

var layoutHash = func() uint64 {
	h := fnv.New64a()
	for _, f := range fieldTable {
		fmt.Fprintf(h, "%s=%d;", f.name, f.value)
	}
	return h.Sum64()
}()

// fieldTable lists what the hash depends on. docs/layout.md has the same numbers.
var fieldTable = []struct {
	name  string
	value int
}{
	{"Line", Line}, {"HeaderSize", HeaderSize}, {"ClientRecordSize", ClientRecordSize},
	{"PublisherRecordSize", PublisherRecordSize}, {"SubscriberRecordSize", SubscriberRecordSize},
	{"TopicRecordSize", TopicRecordSize}, {"EntrySize", EntrySize},
	{"FrameHeaderSize", FrameHeaderSize}, {"FragmentPrefix", FragmentPrefix},
	{"TimeSize", TimeSize}, {"MaxOwned", MaxOwned}, {"slotBits", slotBits}, {"tagBits", tagBits},
	{"wakePositionBits", wakePositionBits}, {"HeaderMagic", HeaderMagic},
	{"HeaderVersion", HeaderVersion}, {"HeaderLength", HeaderLength}, {"HeaderHash", HeaderHash},
	{"HeaderUUID", HeaderUUID}, {"HeaderSlots", HeaderSlots}, {"HeaderSlotSize", HeaderSlotSize},
	{"HeaderOwned", HeaderOwned}, {"HeaderPublishers", HeaderPublishers},
	{"HeaderSubscribers", HeaderSubscribers}, {"HeaderClients", HeaderClients},
	{"HeaderTopics", HeaderTopics}, {"HeaderMaxFrame", HeaderMaxFrame},
	{"HeaderSegmentSize", HeaderSegmentSize}, {"HeaderCreated", HeaderCreated},
	{"HeaderSemID", HeaderSemID}, {"HeaderKey", HeaderKey}, {"HeaderCreator", HeaderCreator},
	{"HeaderChecksum", HeaderChecksum}, {"HeaderName", HeaderName}, {"HeaderState", HeaderState},
	{"HeaderTopicVersion", HeaderTopicVersion}, {"HeaderClientHigh", HeaderClientHigh},
	{"HeaderPubHigh", HeaderPubHigh}, {"HeaderSubHigh", HeaderSubHigh},
	{"HeaderCertified", HeaderCertified}, {"HeaderDeaths", HeaderDeaths},
	{"HeaderPosts", HeaderPosts}, {"HeaderEvictions", HeaderEvictions},
	{"HeaderReclaimed", HeaderReclaimed}, {"HeaderBellResets", HeaderBellResets},
	{"HeaderSleepers", HeaderSleepers}, {"HeaderGates", HeaderGates},
	{"HeaderBlocked", HeaderBlocked}, {"HeaderReservedEnd", HeaderReservedEnd},
	{"NameSize", NameSize}, {"TopicNameSize", TopicNameSize}, {"PatternSize", PatternSize},
	{"ClientStateWord", ClientStateWord}, {"ClientPid", ClientPid}, {"ClientSince", ClientSince},
	{"ClientFlags", ClientFlags}, {"ClientName", ClientName}, {"ClientDied", ClientDied},
	{"PubIntent", PubIntent}, {"PubMessages", PubMessages}, {"PubBytes", PubBytes},
	{"PubFull", PubFull}, {"PubOwned", PubOwned}, {"PubWake", PubWake}, {"PubOwner", PubOwner},
	{"PubTopic", PubTopic}, {"PubSince", PubSince}, {"SubCursor", SubCursor},
	{"SubReceived", SubReceived}, {"SubBytes", SubBytes}, {"SubLost", SubLost},
	{"SubLosses", SubLosses}, {"SubSleeps", SubSleeps}, {"SubWake", SubWake},
	{"SubPosts", SubPosts}, {"SubOwner", SubOwner}, {"SubGate", SubGate}, {"SubPolicy", SubPolicy},
	{"SubPatience", SubPatience}, {"SubMatched", SubMatched}, {"SubSince", SubSince},
	{"SubPattern", SubPattern}, {"TopicOwner", TopicOwner}, {"TopicHashWord", TopicHashWord},
	{"TopicMessages", TopicMessages}, {"TopicBytes", TopicBytes}, {"TopicLength", TopicLength},
	{"TopicName", TopicName},
}
