package fault

// A Point is a place between two steps of a protocol: what stands before it is done, what stands behind it is not.
type Point uint16

// The points, by protocol, in the order in which a process comes by.
const (
	// Creating a bus, under the key file's lock.
	CreateLocked    Point = iota // the key file is there and locked
	CreateAnnounced              // it says what is about to be made
	CreateSegment                // the segment exists
	CreateSet                    // the semaphore set exists
	CreateHeader                 // the header is written
	CreateFormatted              // the ring is formatted
	CreateMagic                  // the magic number is written
	CreateReady                  // the key file says ready

	// Clearing what a dead creator or remover left, before creating or instead of removing.
	LeftoverSegment // the segment is gone
	LeftoverSet     // the semaphore set is gone

	// Opening and removing one.
	OpenFound      // the key file is read
	OpenAttached   // the segment is attached
	RemoveLocked   // the key file is locked
	RemoveMarked   // the segment says that it is removed
	RemoveSet      // the semaphore set is gone
	RemoveSegment  // the segment is gone
	RemoveUnlinked // the key file is gone

	// Joining a bus and leaving it.
	JoinLives   // the kernel holds the client's life
	JoinAlone   // who died in the record before is buried, and the liveness semaphore says that this one lives
	JoinFilled  // the record says who it is
	JoinJoined  // its state says joined
	LeaveState  // its state says free
	LeaveLife   // the kernel has let go
	LeaveDetach // the memory is detached

	// A topic.
	TopicTaken  // the record is held
	TopicFilled // it has a name
	TopicReady  // and is ready

	// A new publisher.
	PublisherTaken     // the record is owned
	PublisherWiped     // what a dead owner left is cleared
	PublisherSettled   // its slots are known
	PublisherCertified // sleepers are certified up to here
	PublisherAnnounced // everybody knows the topic, or will look
	PublisherCounted   // of a publisher that changes its topic, what it counted is the old topic's
	PublisherTopic     // the record says its topic

	// Settling what a dead owner had in flight.
	SettleFound   // a pair's other slot is seen elsewhere
	SettleDecided // the pair is settled

	// Publishing.
	PublishEntered   // the call has begun
	PublishFilled    // the payload is in the slot
	PublishIntended  // the record says the position
	PublishInFlight  // the record says which slots are exchanged
	PublishExchanged // the message is in the ring
	PublishSettled   // the record owns the displaced slot
	PublishLostRace  // another took the position
	PublishCounted   // the record's counters are up to date
	PublishFragment  // a fragment is in the ring, and more are to come
	PublishReserved  // a slot is lent to the caller
	PublishCommitted // it is given back, and not yet published
	PublishDone      // who sleeps is woken

	// Waiting for room.
	RoomLooked   // the gates were looked at
	RoomAsleep   // the publisher's wake word says asleep
	RoomBlocked  // its bit says blocked
	RoomSlept    // it slept, or need not
	RoomResumed  // bit and word are taken back
	GateOfDead   // the gate of a dead subscriber is open
	GateReleased // that of one that is too slow is
	GateNotified // its subscriber is woken

	// Waking.
	WakeClaimed  // a sleeper's word is claimed
	WakePosted   // its semaphore is posted
	WakeNotified // its word says notified

	// Certifying sleepers.
	CertifyLooked // the others' intents are read
	CertifyMoved  // a sleeper is moved on
	CertifyWoken  // the others are woken
	CertifyDone   // the word in the header says so

	// A new subscription.
	SubscribeTaken   // the record is owned
	SubscribeWiped   // what a dead owner left is cleared
	SubscribeFilled  // the record says what and how
	SubscribeCursor  // its cursor is at the head
	SubscribeClosed  // its gate is closed
	SubscribeGate    // publishers see the gate
	SubscribeJoined  // the start is taken
	SubscribeMatched // publishers see its interest

	// Receiving.
	ReceiveEntered // the call has begun
	ReceivePeeked  // there is an entry
	ReceiveCopied  // its slot is copied, not validated
	ReceiveLapped  // it was overwritten, and the cursor has jumped
	ReceiveTaken   // the cursor is behind it
	ReceiveInPlace // the caller reads in place

	// Sleeping.
	SleepWord     // the wake word says asleep
	SleepBit      // publishers see the sleeper
	SleepLooked   // the last look found nothing
	SleepPosition // the sleeper can be certified
	SleepReturned // the kernel has let it go
	SleepCursor   // its cursor is where it was certified to
	SleepAwake    // the wake word says awake
	SleepOver     // publishers do not see it any more

	// Burying the dead, and clearing what they left.
	BuryMarked           // the client's state says dead
	ClearGate            // a dead subscriber's gate is open
	ClearSubscriber      // its record is taken
	ClearSubscriberWiped // and wiped
	ClearSubscriberFreed // and free
	ClearPublisher       // a dead publisher's record is taken
	ClearPublisherWiped  // and wiped
	ClearPublisherFreed  // and free

	// Wiping a publisher's record, its own or a dead one's, and giving it back.
	WipeWoken     // who sleeps on its topic is woken
	WipeCounted   // its counts are added to the topic's
	WipeTopic     // it says no topic
	WipeIntent    // it says no position
	WipePublisher // it is as new
	FreePublisher // its own is free

	// Wiping a subscriber's record, its own or a dead one's, and giving it back.
	WipeGate       // its gate is open
	WipeList       // publishers do not look at its gate any more
	WipeSleeper    // nor at its wake word
	WipeInterest   // nor for its interest
	FreeSubscriber // its own is free

	// Looking whether the bus is still there.
	PatrolListed  // this client takes turns
	PatrolMarked  // the bus is gone, and the segment says so
	PatrolRung    // everybody hears it
	PatrolSet     // the semaphore set is gone
	PatrolSegment // the segment is gone

	// Writing the key file of a bus again that has lost it, under its lock.
	RestoreLocked  // the key file is there and locked
	RestoreWritten // it names the bus

	// The death bell.
	BellRead    // its value is known
	BellHeard   // and what there was to do is done
	BellLowered // its value is taken down

	points
)

// Points returns all points.
func Points() []Point {
	all := make([]Point, points)
	for i := range all {
		all[i] = Point(i)
	}
	return all
}
