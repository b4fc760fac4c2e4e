package layout

// Offsets in the header. Fields above HeaderState never change once the magic
// number is there; those from it on are words for atomic access.
const (
	HeaderMagic       = 0   // uint64, written last
	HeaderVersion     = 8   // uint32
	HeaderLength      = 12  // uint32: HeaderSize
	HeaderHash        = 16  // uint64: Hash()
	HeaderUUID        = 24  // 16 bytes
	HeaderSlots       = 40  // uint32, and so the other sizes
	HeaderSlotSize    = 44  //
	HeaderOwned       = 48  //
	HeaderPublishers  = 52  //
	HeaderSubscribers = 56  //
	HeaderClients     = 60  //
	HeaderTopics      = 64  //
	HeaderMaxFrame    = 68  //
	HeaderSegmentSize = 72  // uint64
	HeaderCreated     = 80  // int64, nanoseconds since 1970
	HeaderSemID       = 88  // int32
	HeaderKey         = 92  // int32: the System V key of segment and set
	HeaderCreator     = 96  // uint32: pid, in the creator's pid namespace
	HeaderChecksum    = 100 // uint32: Checksum
	HeaderName        = 128 // NameSize bytes, padded with zeros

	HeaderState        = 256  // word: StateLive, StateRemoved; written by who removes, read by all
	HeaderTopicVersion = 384  // word: grows when a topic may be new to somebody
	HeaderClientHigh   = 392  // word: client records ever used
	HeaderPubHigh      = 400  // word: publisher records ever used
	HeaderSubHigh      = 408  // word: subscriber records ever used
	HeaderCertified    = 512  // word: sleepers are dealt with below this position
	HeaderDeaths       = 640  // word: clients found dead
	HeaderPosts        = 648  // word: semaphore posts to wake somebody
	HeaderEvictions    = 656  // word: gates opened by publishers
	HeaderReclaimed    = 664  // word: records taken over from the dead
	HeaderBellResets   = 672  // word: times the bell's value was taken down
	HeaderSleepers     = 768  // 16 words: a bit for each sleeping subscriber, owned by it
	HeaderGates        = 896  // 16 words: a bit for each subscriber that may have a gate
	HeaderBlocked      = 1024 // 64 words: a bit for each publisher that waits for room
	HeaderReservedEnd  = 1536 // from here to HeaderSize: zero
)

// NameSize bounds the names of buses and clients, in bytes; TopicNameSize those of topics.
const (
	NameSize      = 64
	TopicNameSize = 200
	PatternSize   = 128
)

// States of a bus.
const (
	StateLive    = 1
	StateRemoved = 2
)

// Offsets in a client record: written by its owner.
const (
	ClientStateWord = 0  // word: ClientState
	ClientPid       = 8  // word: pid, in the client's pid namespace
	ClientSince     = 16 // word: nanoseconds since 1970
	ClientFlags     = 24 // word: ClientDaemon, ClientAlert, ClientRests
	ClientName      = 32 // NameSize bytes
	ClientDied      = 96 // word: which death of the bus its last client's was; written by who buries it
)

// Flags of a client.
const (
	ClientDaemon = 1 // a bus daemon holds it
	ClientAlert  = 2 // something of it waits, and it looks often whether the bus is still there
	ClientRests  = 4 // the same, for long: it looks now and then
)

// Offsets in a publisher record.
const (
	PubIntent   = 0  // word: 1 + the position about to be used, 0 for none; written by the owner before each exchange
	PubMessages = 8  // word: frames published by this owner
	PubBytes    = 16 // word: their bytes
	PubFull     = 24 // word: times it found no room
	PubOwned    = 32 // MaxOwned words: Pair; written by the owner

	PubWake = Line // word: Wake; written by the owner and by who wakes it

	PubOwner = 2*Line + 0  // word: Owner
	PubTopic = 2*Line + 8  // word: topic number + 1
	PubSince = 2*Line + 16 // word: nanoseconds since 1970
)

// Offsets in a subscriber record.
const (
	SubCursor   = 0  // word: the next position to read; written by the owner
	SubReceived = 8  // word: frames delivered
	SubBytes    = 16 // word: their bytes
	SubLost     = 24 // word: positions lost
	SubLosses   = 32 // word: times that positions were lost
	SubSleeps   = 40 // word: times it went to sleep

	SubWake  = Line     // word: Wake; written by the owner, wakers and certifiers
	SubPosts = Line + 8 // word: posts made to wake it

	SubOwner    = 2*Line + 0  // word: Owner
	SubGate     = 2*Line + 8  // word: Gate
	SubPolicy   = 2*Line + 16 // word: Policy
	SubPatience = 2*Line + 24 // word: nanoseconds that a publisher waits before it applies the policy
	SubMatched  = 2*Line + 32 // word: topic records matched against the patterns so far
	SubSince    = 2*Line + 40 // word: nanoseconds since 1970

	SubPattern = 3 * Line // PatternSize bytes: the patterns, for people to read
)

// Policies of a subscriber, in SubPolicy.
const (
	PolicyLossy  = 0
	PolicyBlock  = 1 // reliable: publishers wait as long as they like
	PolicyEvict  = 2 // reliable, until a publisher has waited SubPatience: then it is cut off
	PolicyDemote = 3 // reliable, until a publisher has waited SubPatience: then it is lossy
)

// Offsets in a topic record: written once by its creator, but for the counts.
const (
	TopicOwner    = 0  // word: Owner; OwnerReady when the rest is valid
	TopicHashWord = 8  // word: TopicHash of the name
	TopicMessages = 16 // word: frames of publishers that have left
	TopicBytes    = 24 // word: their bytes
	TopicLength   = 32 // word: bytes of the name
	TopicName     = 40 // TopicNameSize bytes
)
