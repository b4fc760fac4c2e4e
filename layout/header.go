package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"

	"shmbus/internal/fence"
)

// Magic is the first word of a complete segment: "shmbus" and two zero bytes.
const Magic uint64 = 0x0000_7375_626d_6873

// Version is the version of the layout. A segment of another version is not attached.
const Version = 2

// Errors of a header that is not one of a bus of this version.
var (
	ErrNotABus    = errors.New("not a bus segment")
	ErrIncomplete = errors.New("bus segment was never completed")
	ErrVersion    = errors.New("bus segment of another layout version")
	ErrCorrupt    = errors.New("bus segment is corrupt")
)

// A UUID identifies one creation of a bus.
type UUID [16]byte

func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// A Header is what never changes in the header of a segment.
type Header struct {
	UUID     UUID
	Geometry Geometry
	Created  int64 // nanoseconds since 1970
	SemID    int32
	Key      int32
	Creator  uint32
	Name     string
}

// Encode writes the header into the first HeaderSize bytes of a zeroed segment, all
// but the magic number, which its caller stores last.
func (h Header) Encode(b []byte) error {
	m, err := NewMap(h.Geometry)
	if err != nil {
		return err
	}
	le, g := binary.LittleEndian, h.Geometry
	le.PutUint32(b[HeaderVersion:], Version)
	le.PutUint32(b[HeaderLength:], HeaderSize)
	le.PutUint64(b[HeaderHash:], Hash())
	copy(b[HeaderUUID:], h.UUID[:])
	for i, v := range []int{g.Slots, g.SlotSize, g.Owned, g.Publishers, g.Subscribers, g.Clients, g.Topics, g.MaxFrame} {
		le.PutUint32(b[HeaderSlots+4*i:], uint32(v))
	}
	le.PutUint64(b[HeaderSegmentSize:], uint64(m.Size))
	le.PutUint64(b[HeaderCreated:], uint64(h.Created))
	le.PutUint32(b[HeaderSemID:], uint32(h.SemID))
	le.PutUint32(b[HeaderKey:], uint32(h.Key))
	le.PutUint32(b[HeaderCreator:], h.Creator)
	copy(b[HeaderName:HeaderName+NameSize], h.Name)
	le.PutUint32(b[HeaderChecksum:], Checksum(b))
	return nil
}

// DecodeHeader reads a header and checks it against size, the bytes that are really
// mapped. Its errors wrap ErrNotABus, ErrIncomplete, ErrVersion or ErrCorrupt.
func DecodeHeader(b []byte, size int) (Header, Map, error) {
	fail := func(err error, format string, a ...any) (Header, Map, error) {
		return Header{}, Map{}, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, a...))
	}
	if len(b) < HeaderSize || size < HeaderSize {
		return fail(ErrNotABus, "%d bytes are too few", min(len(b), size))
	}
	le := binary.LittleEndian
	// The creator stores the magic number last, so it is loaded first: what is loaded after it is complete.
	magic := le.Uint64(b[HeaderMagic:])
	fence.Loads()
	// The rest is copied once: a peer that changes it meanwhile changes nothing here.
	b = bytes.Clone(b[:HeaderState])
	switch {
	case magic == 0 && le.Uint64(b[HeaderHash:]) == Hash():
		return fail(ErrIncomplete, "its creator died")
	case magic != Magic:
		return fail(ErrNotABus, "it starts with %#x, not with %#x", magic, Magic)
	}
	if v := le.Uint32(b[HeaderVersion:]); v != Version {
		return fail(ErrVersion, "it has version %d, this program knows %d", v, Version)
	}
	if v := le.Uint64(b[HeaderHash:]); v != Hash() {
		return fail(ErrVersion, "it has layout hash %016x, this program %016x", v, Hash())
	}
	if v := le.Uint32(b[HeaderLength:]); v != HeaderSize {
		return fail(ErrCorrupt, "it says that its header has %d bytes, not %d", v, HeaderSize)
	}
	field := func(off int) int { return int(le.Uint32(b[off:])) }
	h := Header{
		Geometry: Geometry{
			Slots: field(HeaderSlots), SlotSize: field(HeaderSlotSize), Owned: field(HeaderOwned),
			Publishers: field(HeaderPublishers), Subscribers: field(HeaderSubscribers),
			Clients: field(HeaderClients), Topics: field(HeaderTopics), MaxFrame: field(HeaderMaxFrame),
		},
		Created: int64(le.Uint64(b[HeaderCreated:])),
		SemID:   int32(le.Uint32(b[HeaderSemID:])),
		Key:     int32(le.Uint32(b[HeaderKey:])),
		Creator: le.Uint32(b[HeaderCreator:]),
		Name:    CString(b[HeaderName : HeaderName+NameSize]),
	}
	copy(h.UUID[:], b[HeaderUUID:])
	m, err := NewMap(h.Geometry)
	if err != nil {
		return fail(ErrCorrupt, "%v", err)
	}
	if v := le.Uint64(b[HeaderSegmentSize:]); v != uint64(m.Size) || m.Size > size {
		return fail(ErrCorrupt, "its geometry needs %d bytes, its header says %d, there are %d", m.Size, v, size)
	}
	if v, sum := le.Uint32(b[HeaderChecksum:]), Checksum(b); v != sum {
		return fail(ErrCorrupt, "its header has checksum %08x, and says %08x: it was changed after its creation", sum, v)
	}
	return h, m, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of what never changes in the header of segment b: the bytes from HeaderVersion to
// HeaderState, the checksum's own taken as zero. The magic number, which comes later, is not among them.
func Checksum(b []byte) uint32 {
	sum := crc32.Update(0, castagnoli, b[HeaderVersion:HeaderChecksum])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	return crc32.Update(sum, castagnoli, b[HeaderChecksum+4:HeaderState])
}

// CString returns the bytes before the first zero.
func CString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// Hash returns a number that changes whenever a size or an offset of the layout
// does, so that two programs that disagree do not share a segment.
func Hash() uint64 { return layoutHash }

var layoutHash = func() uint64 {
	h := fnv.New64a()
	for _, f := range fieldTable {
		fmt.Fprintf(h, "%s=%d;", f.name, f.value)
	}
	return h.Sum64()
}()

// fieldTable lists what the hash covers and docs/layout.md shows.
var fieldTable = []struct {
	name  string
	value int
}{
	{"Line", Line}, {"HeaderSize", HeaderSize}, {"ClientRecordSize", ClientRecordSize},
	{"PublisherRecordSize", PublisherRecordSize}, {"SubscriberRecordSize", SubscriberRecordSize},
	{"TopicRecordSize", TopicRecordSize}, {"EntrySize", EntrySize}, {"FrameHeaderSize", FrameHeaderSize},
	{"FragmentPrefix", FragmentPrefix}, {"TimeSize", TimeSize}, {"MaxOwned", MaxOwned},
	{"slotBits", slotBits}, {"tagBits", tagBits}, {"wakePositionBits", wakePositionBits},
	{"HeaderMagic", HeaderMagic}, {"HeaderVersion", HeaderVersion}, {"HeaderLength", HeaderLength},
	{"HeaderHash", HeaderHash}, {"HeaderUUID", HeaderUUID}, {"HeaderSlots", HeaderSlots},
	{"HeaderSlotSize", HeaderSlotSize}, {"HeaderOwned", HeaderOwned}, {"HeaderPublishers", HeaderPublishers},
	{"HeaderSubscribers", HeaderSubscribers}, {"HeaderClients", HeaderClients}, {"HeaderTopics", HeaderTopics},
	{"HeaderMaxFrame", HeaderMaxFrame}, {"HeaderSegmentSize", HeaderSegmentSize}, {"HeaderCreated", HeaderCreated},
	{"HeaderSemID", HeaderSemID}, {"HeaderKey", HeaderKey}, {"HeaderCreator", HeaderCreator},
	{"HeaderChecksum", HeaderChecksum}, {"HeaderName", HeaderName},
	{"HeaderState", HeaderState}, {"HeaderTopicVersion", HeaderTopicVersion}, {"HeaderClientHigh", HeaderClientHigh},
	{"HeaderPubHigh", HeaderPubHigh}, {"HeaderSubHigh", HeaderSubHigh}, {"HeaderCertified", HeaderCertified},
	{"HeaderDeaths", HeaderDeaths}, {"HeaderPosts", HeaderPosts}, {"HeaderEvictions", HeaderEvictions},
	{"HeaderReclaimed", HeaderReclaimed}, {"HeaderBellResets", HeaderBellResets},
	{"HeaderSleepers", HeaderSleepers}, {"HeaderGates", HeaderGates}, {"HeaderBlocked", HeaderBlocked},
	{"HeaderReservedEnd", HeaderReservedEnd},
	{"NameSize", NameSize}, {"TopicNameSize", TopicNameSize}, {"PatternSize", PatternSize},
	{"ClientStateWord", ClientStateWord}, {"ClientPid", ClientPid}, {"ClientSince", ClientSince},
	{"ClientFlags", ClientFlags}, {"ClientName", ClientName}, {"ClientDied", ClientDied},
	{"PubIntent", PubIntent}, {"PubMessages", PubMessages}, {"PubBytes", PubBytes}, {"PubFull", PubFull},
	{"PubOwned", PubOwned}, {"PubWake", PubWake}, {"PubOwner", PubOwner}, {"PubTopic", PubTopic}, {"PubSince", PubSince},
	{"SubCursor", SubCursor}, {"SubReceived", SubReceived}, {"SubBytes", SubBytes}, {"SubLost", SubLost},
	{"SubLosses", SubLosses}, {"SubSleeps", SubSleeps}, {"SubWake", SubWake}, {"SubPosts", SubPosts},
	{"SubOwner", SubOwner}, {"SubGate", SubGate}, {"SubPolicy", SubPolicy}, {"SubPatience", SubPatience},
	{"SubMatched", SubMatched}, {"SubSince", SubSince}, {"SubPattern", SubPattern},
	{"TopicOwner", TopicOwner}, {"TopicHashWord", TopicHashWord}, {"TopicMessages", TopicMessages},
	{"TopicBytes", TopicBytes}, {"TopicLength", TopicLength}, {"TopicName", TopicName},
}
