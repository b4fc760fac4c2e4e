package layout

// Offsets in a subscriber record. Its owner is the subscription that has taken it.
const (
	// The owner stores its cursor with release, after the reads that it ends. Publishers load it
	// when they look at the gates.
	SubCursor = 0 // word: the next position to read

	// The owner stores these counts, plain; displays load them.
	SubReceived = 8  // word: frames delivered
	SubBytes    = 16 // word: their bytes
	SubLost     = 24 // word: positions lost
	SubLosses   = 32 // word: times that positions were lost
	SubSleeps   = 40 // word: times that it went to sleep

	// The owner, wakers and certifiers change this word by compare-and-swap. Publishers load it
	// when they look at the gates.
	SubWake = Line // word: Wake

	// Wakers add to this count, atomically; displays load it.
	SubPosts = Line + 8 // word: semaphore posts made to wake it

	// A client takes the record by compare-and-swap of this word, and clears it, atomically, when
	// it leaves. All clients load it.
	SubOwner = 2*Line + 0 // word: Owner

	// The owner closes its gate. The owner, publishers and watchers open it. All do so by
	// compare-and-swap. Publishers load it when they look at the gates.
	SubGate = 2*Line + 8 // word: Gate

	// The owner stores these, atomically, before it closes its gate. Publishers that wait for it
	// load them.
	SubPolicy   = 2*Line + 16 // word: one of the policies below
	SubPatience = 2*Line + 24 // word: how long a publisher waits for it, in nanoseconds

	// The owner stores this, atomically, after the interest bits of those topics. Publishers with a
	// new topic load it.
	SubMatched = 2*Line + 32 // word: topic records matched against the patterns so far

	// The owner stores these. Displays and calls that wait for subscribers load them.
	SubSince   = 2*Line + 40 // word: nanoseconds since 1970
	SubPattern = 3 * Line    // PatternSize bytes: the patterns, as text
)

// PatternSize is the number of bytes for a subscription's patterns.
const PatternSize = 128

// Policies of a subscription.
const (
	PolicyLossy  = 0 // publishers never wait for it
	PolicyBlock  = 1 // reliable: publishers wait without limit
	PolicyEvict  = 2 // reliable until a publisher has waited for SubPatience; then it is ended
	PolicyDemote = 3 // reliable until a publisher has waited for SubPatience; then it is lossy
)

// A Gate is the word with which a reliable subscription holds publishers back: generation:32
// state:32. It is opened by compare-and-swap of the whole word, so that a delayed process cannot
// open the gate of the record's next owner.
type Gate uint64

// States of a gate.
const (
	GateOpen    = 0 // publishers need not look at the cursor
	GateClosed  = 1 // publishers displace nothing at or above the cursor
	GateEvicted = 2 // opened by a publisher: the subscription has ended
	GateDemoted = 3 // opened by a publisher: the subscription is lossy from now on
)

// MakeGate packs the word.
func MakeGate(generation, state uint32) Gate { return Gate(generation)<<32 | Gate(state) }

// Generation returns how often the gate was closed.
func (g Gate) Generation() uint32 { return uint32(g >> 32) }

// State returns one of the states of a gate.
func (g Gate) State() uint32 { return uint32(g) }
