package layout

// Offsets in a client record. Its owner is the client that has joined with it.
const (
	// The owner joins and leaves, and another client marks it dead, by compare-and-swap. All load
	// it, atomically, to ask whether the owner of a record is alive.
	ClientStateWord = 0 // word: ClientState

	// The owner stores these before it joins; displays load them.
	ClientPid   = 8  // word: pid, in the client's pid namespace
	ClientSince = 16 // word: nanoseconds since 1970
	ClientName  = 32 // NameSize bytes

	// The owner stores the flags, atomically, before it joins and while it waits. Displays load
	// them, and so do clients that take turns in checking whether the bus is still there.
	ClientFlags = 24 // word: ClientDaemon, ClientAlert, ClientRests

	// The client that marks the owner dead stores this, atomically, after the state. Joiners load
	// it, so that the record of the client that died first is used first.
	ClientDied = 96 // word: the value of HeaderDeaths with that death
)

// Flags of a client.
const (
	ClientDaemon = 1 // a bus daemon holds it
	ClientAlert  = 2 // it waits for something, and often checks whether the bus is still there
	ClientRests  = 4 // it has waited for long, and checks that once a second
)

// A ClientState is the first word of a client record: generation:32 state:32.
type ClientState uint64

// States of a client record.
const (
	ClientFree   = 0
	ClientJoined = 1
	ClientDead   = 2 // free; its last client died, and watchers for deaths report that
)

// MakeClientState packs the word.
func MakeClientState(generation, state uint32) ClientState {
	return ClientState(generation)<<32 | ClientState(state)
}

// Generation returns how many clients have used the record.
func (c ClientState) Generation() uint32 { return uint32(c >> 32) }

// State returns ClientFree, ClientJoined or ClientDead.
func (c ClientState) State() uint32 { return uint32(c) }

// SemBell is the number of the bell in the semaphore set that goes with a segment. The kernel
// raises it by one when a client dies.
const SemBell = 0

// SemLive returns the number of client c's liveness semaphore. It is [LiveJoined] while the client
// lives; when it dies, the kernel sets it back to 0.
func SemLive(c int) uint16 { return uint16(1 + 2*c) }

// Values of a liveness semaphore. It is 0 if the record is free or its client has died.
const (
	LiveJoined  = 1 // the client lives
	LiveJoining = 2 // a process has taken the record, and clears what a dead client left
)

// SemSleep returns the number of the semaphore on which client c sleeps.
func SemSleep(c int) uint16 { return uint16(2 + 2*c) }
