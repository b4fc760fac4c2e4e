package layout

// Offsets in a publisher record. Its owner is the publisher that has taken it.
const (
	// The owner stores the intent, plain, before the compare-and-swap of each entry. Certifiers and
	// searches for the head load it.
	PubIntent = 0 // word: 1 + the position about to be used, 0 for none

	// The owner stores these counts, plain; displays load them.
	PubMessages = 8  // word: frames published
	PubBytes    = 16 // word: their bytes
	PubFull     = 24 // word: times that there was no room

	// The owner stores a pair, plain, before and after the compare-and-swap of each entry. The next
	// owner of the record and audits load it.
	PubOwned = 32 // MaxOwned words: Pair

	// The owner and the subscribers that make room for it change this word by compare-and-swap.
	PubWake = Line // word: Wake

	// A client takes the record by compare-and-swap of this word, and clears it, atomically, when
	// it leaves. All clients load it.
	PubOwner = 2*Line + 0 // word: Owner

	// The owner stores its topic, atomically, before its first exchange on it. Certifiers load it,
	// after the intent.
	PubTopic = 2*Line + 8 // word: topic number + 1

	// The owner stores this, atomically; displays load it.
	PubSince = 2*Line + 16 // word: nanoseconds since 1970
)

// A Pair says which slot a publisher record owns: displaced:32 mine:32. If the halves are equal,
// the pair is settled. If not, an exchange of mine for displaced is in flight, or was when the
// publisher died.
type Pair uint64

// Settled returns the pair of a record that owns slot s. It is computed by a product so that the
// compiler keeps nothing of [InFlight] in a register across the exchange.
func Settled(s uint32) Pair { return Pair(s) * (1<<32 + 1) }

// InFlight returns the pair of a record that is exchanging mine for displaced.
func InFlight(mine, displaced uint32) Pair { return Pair(displaced)<<32 | Pair(mine) }

// Mine returns the slot that the record owned before the exchange.
func (p Pair) Mine() uint32 { return uint32(p) }

// Displaced returns the slot that the record owns after the exchange.
func (p Pair) Displaced() uint32 { return uint32(p >> 32) }

// IsSettled reports whether no exchange is in flight.
func (p Pair) IsSettled() bool { return p.Mine() == p.Displaced() }
