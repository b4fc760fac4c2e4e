package layout

// FrameHeaderSize is the size in bytes of the header at the start of every slot.
//
//	0  position  uint64  the message's position
//	8  info      uint64  size:24 flags:8 publisher:16 topic:16, size in the low bits
//
// The payload follows. The slot's owner stores the whole slot, plain, before the compare-and-swap
// of the entry; readers load it, and then the entry again. Laps wrap after 2^32 of them, so an
// entry can look unchanged; the 64-bit position in the slot tells such laps apart.
//
// With [FlagTime], the last 8 bytes of the frame are the publish time, in nanoseconds since 1970. A
// slot that lacks [FlagFirst] or [FlagLast] holds a fragment. Its payload begins with a word of
// [FragmentPrefix] bytes: the size of the whole frame in the low 32 bits, and the number of the
// fragment, from 0, in the high 32 bits.
const (
	FrameHeaderSize = 16
	FramePosition   = 0
	FrameInfoOffset = 8
	FragmentPrefix  = 8
	TimeSize        = 8
)

// Flags of a frame header. A frame that fits its slot has FlagFirst and FlagLast.
const (
	FlagFirst = 1 << 0
	FlagLast  = 1 << 1
	FlagTime  = 1 << 2

	FlagWhole = FlagFirst | FlagLast
)

// A FrameInfo is the second word of a frame header.
type FrameInfo uint64

// MakeFrameInfo packs the word; size is cut to its width.
func MakeFrameInfo(size int, flags uint8, publisher, topic uint16) FrameInfo {
	return FrameInfo(topic)<<48 | FrameInfo(publisher)<<32 |
		FrameInfo(flags)<<24 | FrameInfo(size&(1<<24-1))
}

// Size returns the bytes of payload in the slot. The caller bounds it by the size of a slot.
func (i FrameInfo) Size() int { return int(i & (1<<24 - 1)) }

// A FrameKind is a FrameInfo without its size: the same for all frames of one publisher on one
// topic with the same flags.
type FrameKind uint64

// Kind returns the frame's kind.
func (i FrameInfo) Kind() FrameKind { return FrameKind(i >> 24) }

// Publisher returns the number of the publisher record.
func (k FrameKind) Publisher() uint16 { return uint16(k >> 8) }

// Flags returns the flags.
func (i FrameInfo) Flags() uint8 { return uint8(i >> 24) }

// Publisher returns the number of the publisher record that published the frame.
func (i FrameInfo) Publisher() uint16 { return uint16(i >> 32) }

// Topic returns the number of the topic.
func (i FrameInfo) Topic() uint16 { return uint16(i >> 48) }
