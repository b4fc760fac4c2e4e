package layout

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"shmbus/internal/fence"
)

// Magic is the first word of a complete segment: "shmbus" and two zero bytes.
const Magic uint64 = 0x0000_7375_626d_6873

// Version is the version of the layout. A segment of another version is not attached.
const Version = 2

// Offsets of the header fields that never change. The creator stores them before the magic number,
// which it stores last, with release. Others load the magic number first, with acquire.
const (
	HeaderMagic       = 0   // uint64
	HeaderVersion     = 8   // uint32
	HeaderLength      = 12  // uint32: HeaderSize
	HeaderHash        = 16  // uint64: Hash()
	HeaderUUID        = 24  // 16 bytes
	HeaderSlots       = 40  // uint32, as the other sizes of the geometry
	HeaderSlotSize    = 44  // uint32
	HeaderOwned       = 48  // uint32
	HeaderPublishers  = 52  // uint32
	HeaderSubscribers = 56  // uint32
	HeaderClients     = 60  // uint32
	HeaderTopics      = 64  // uint32
	HeaderMaxFrame    = 68  // uint32
	HeaderSegmentSize = 72  // uint64
	HeaderCreated     = 80  // int64, nanoseconds since 1970
	HeaderSemID       = 88  // int32
	HeaderKey         = 92  // int32: the System V key of segment and semaphore set
	HeaderCreator     = 96  // uint32: pid, in the creator's pid namespace
	HeaderChecksum    = 100 // uint32: Checksum
	HeaderName        = 128 // NameSize bytes, padded with zeros
)

// Offsets of the header words that change. All of them are loaded and stored atomically.
const (
	// The creator stores StateLive, and the process that removes the bus StateRemoved. Clients load
	// it when they wait or fail.
	HeaderState = 256 // word: StateLive, StateRemoved

	// Creators of topics, and publishers with a topic that subscribers may not have matched, add to
	// it after the topic is ready. Subscribers load it before they sleep.
	HeaderTopicVersion = 384 // word: changes when a topic may be new to a subscriber

	// A client that takes a record raises the count of that kind of record, by compare-and-swap,
	// before it uses the record. Every loop over the records loads the count.
	HeaderClientHigh = 392 // word: client records ever used
	HeaderPubHigh    = 400 // word: publisher records ever used
	HeaderSubHigh    = 408 // word: subscriber records ever used

	// Publishers raise it by compare-and-swap, after the wake words of all sleepers. Publishers and
	// searches for the head load it.
	HeaderCertified = 512 // word: no sleeper has anything to read below this position

	// Counts, which only grow; displays load them. Two have a further use: the death count orders
	// the records of dead clients (ClientDied), and clients that wait for the bell load how often
	// the bell was lowered.
	HeaderDeaths     = 640 // word: clients found dead
	HeaderPosts      = 648 // word: semaphore posts that wakers made
	HeaderEvictions  = 656 // word: gates opened by publishers
	HeaderReclaimed  = 664 // word: records taken over from dead owners
	HeaderBellResets = 672 // word: times that the bell was lowered from its maximum

	// Bitmaps: number n has bit n%64 of word n/64. A subscriber or publisher sets its bit by an
	// atomic OR, and clears it by an atomic AND; a client that clears the record of a dead owner
	// clears its bit, too. Publishers load the sleepers after each exchange, and the gates when
	// they need room; the bit of a gate is set after the gate is closed. Subscribers that make
	// room, and publishers that wait for it, load the blocked publishers.
	HeaderSleepers = 768  // 16 words: subscribers that sleep
	HeaderGates    = 896  // 16 words: subscribers that may have a closed gate
	HeaderBlocked  = 1024 // 64 words: publishers that wait for room

	HeaderReservedEnd = 1536 // from here to HeaderSize all bytes are zero
)

// NameSize is the largest length of the name of a bus or of a client, in bytes.
const NameSize = 64

// States of a bus.
const (
	StateLive    = 1
	StateRemoved = 2
)

// Reasons why a segment cannot be used as a bus of this version.
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

// A Header is the part of a segment's header that never changes.
type Header struct {
	UUID     UUID
	Geometry Geometry
	Created  int64 // nanoseconds since 1970
	SemID    int32
	Key      int32
	Creator  uint32
	Name     string
}

// Encode writes the header into the first HeaderSize bytes of a zeroed segment, except for the
// magic number, which the caller stores last.
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
	for i, v := range []int{
		g.Slots, g.SlotSize, g.Owned, g.Publishers, g.Subscribers, g.Clients, g.Topics, g.MaxFrame,
	} {
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

// DecodeHeader reads and checks the header of segment b. size is the number of bytes that are
// mapped. Its errors wrap ErrNotABus, ErrIncomplete, ErrVersion or ErrCorrupt.
func DecodeHeader(b []byte, size int) (Header, Map, error) {
	fail := func(err error, format string, a ...any) (Header, Map, error) {
		return Header{}, Map{}, fmt.Errorf("%w: %s", err, fmt.Sprintf(format, a...))
	}
	if len(b) < HeaderSize || size < HeaderSize {
		return fail(ErrNotABus, "%d bytes are fewer than the header of a bus", min(len(b), size))
	}
	le := binary.LittleEndian
	// The creator stores the magic number last. It is loaded first, so what is loaded after it is
	// complete.
	magic := le.Uint64(b[HeaderMagic:])
	fence.Loads()
	// The rest is copied once, and checked in the copy: no process can change it after the check.
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
			Clients: field(HeaderClients), Topics: field(HeaderTopics),
			MaxFrame: field(HeaderMaxFrame),
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
		return fail(ErrCorrupt, "its geometry needs %d bytes, its header says %d, there are %d",
			m.Size, v, size)
	}
	if v, sum := le.Uint32(b[HeaderChecksum:]), Checksum(b); v != sum {
		return fail(ErrCorrupt,
			"its header has checksum %08x, and says %08x: it was changed after creation", sum, v)
	}
	return h, m, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of the bytes from HeaderVersion to HeaderState of segment b, with
// those of the checksum taken as zero. The magic number, which is stored later, is not among them.
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
