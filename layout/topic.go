package layout

// Offsets in a topic record. Its owner is the client that has created the topic.
const (
	// The creator takes the record by compare-and-swap, and stores OwnerReady, atomically, after
	// the rest of the record. All load it before the rest.
	TopicOwner = 0 // word: Owner

	// The creator stores these before the record is ready, and nobody after that.
	TopicHashWord = 8  // word: TopicHash of the name
	TopicLength   = 32 // word: bytes of the name
	TopicName     = 40 // TopicNameSize bytes

	// Clients that free a publisher record add its counts to these, atomically; displays load them.
	TopicMessages = 16 // word: frames of publishers that have left
	TopicBytes    = 24 // word: their bytes
)

// TopicNameSize is the largest length of a topic's name, in bytes.
const TopicNameSize = 200

// TopicHash returns the 64-bit FNV-1a hash of a topic's name.
func TopicHash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// TopicTag returns the tag of the topic with the given hash.
func TopicTag(hash uint64) uint32 { return uint32(hash^hash>>tagBits^hash>>32) & tagMask }

// A TagSet is a set of tags. The zero set is empty.
type TagSet [(tagMask + 1) / 64]uint64

// Add adds a tag, cut to its width.
func (s *TagSet) Add(tag uint32) { s[tag&tagMask/64] |= 1 << (tag % 64) }

// Has reports whether a tag, cut to its width, is in the set.
func (s *TagSet) Has(tag uint32) bool { return s[tag&tagMask/64]&(1<<(tag%64)) != 0 }
