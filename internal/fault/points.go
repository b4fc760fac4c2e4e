package fault

// A Point is a place between two steps of a protocol: the steps before it are done, those after it
// are not.
type Point uint16

// The points, by protocol, in the order in which a process passes them. Each comment says what was
// done last.
const (
	// Creating a bus, under the lock on the key file.
	CreateLocked    Point = iota // the key file exists and is locked
	CreateAnnounced              // the key file says what is about to be created
	CreateSegment                // the segment exists
	CreateSet                    // the semaphore set exists
	CreateHeader                 // the header is written
	CreateFormatted              // the ring is formatted
	CreateMagic                  // the magic number is written
	CreateReady                  // the key file says that the bus is ready

	// Removing what a dead creator or remover has left, before creating or removing a bus.
	LeftoverSegment // the segment is removed
	LeftoverSet     // the semaphore set is removed

	// Opening a bus.
	OpenFound    // the key file is read
	OpenAttached // the segment is attached

	// Removing a bus.
	RemoveLocked   // the key file is locked
	RemoveMarked   // the segment says that the bus is removed
	RemoveSet      // the semaphore set is removed
	RemoveSegment  // the segment is removed
	RemoveUnlinked // the key file is removed

	// Joining a bus and leaving it.
	JoinLives   // the liveness semaphore is taken; the kernel undoes that if the process dies
	JoinAlone   // the record's dead client is marked dead; the semaphore says the new one lives
	JoinFilled  // the client record has pid and name
	JoinJoined  // the client state is joined
	LeaveState  // the client state is free
	LeaveLife   // the liveness semaphore is given back
	LeaveDetach // the segment is detached

	// Creating a topic.
	TopicTaken  // the topic record is held
	TopicFilled // the record has the name
	TopicReady  // the record is ready

	// Taking a publisher record, and giving it a topic.
	PublisherTaken     // the record is owned
	PublisherWiped     // what a dead owner left is cleared
	PublisherSettled   // it is known which slots the record owns
	PublisherCertified // sleepers are certified up to the head
	PublisherAnnounced // all subscribers know the topic, or will look for it
	PublisherCounted   // the counts are added to the old topic, if there is one
	PublisherTopic     // the record says the topic

	// Settling what a dead owner had in flight.
	SettleFound   // one slot of a pair is found elsewhere
	SettleDecided // the pair is settled

	// Publishing.
	PublishEntered   // the call has begun
	PublishFilled    // the slot is filled
	PublishIntended  // the intent is stored: step 2 of the exchange
	PublishInFlight  // the pair in flight is stored: step 3
	PublishExchanged // the message is in the ring: step 4
	PublishSettled   // the record owns the displaced slot: step 5
	PublishLostRace  // step 4 has failed: another publisher has used the position
	PublishCounted   // the record's counts include the message
	PublishFragment  // a fragment is in the ring, and more are to come
	PublishReserved  // a slot is lent to the caller
	PublishCommitted // the slot is given back, and not yet published
	PublishDone      // the sleepers are woken

	// Waiting for room.
	RoomLooked   // the gates were looked at
	RoomAsleep   // the publisher's wake word says asleep
	RoomBlocked  // the publisher's bit in the bitmap of blocked publishers is set
	RoomSlept    // the publisher has slept, or need not sleep
	RoomResumed  // bit and wake word are taken back
	GateOfDead   // the gate of a dead subscriber is open
	GateReleased // the gate of a subscriber that is too slow is open
	GateNotified // that subscriber is woken

	// Waking.
	WakeClaimed  // a sleeper's wake word is claimed
	WakePosted   // its semaphore is posted
	WakeNotified // its wake word says notified

	// Certifying sleepers.
	CertifyLooked // the intents of other publishers are loaded
	CertifyMoved  // a sleeper's position is moved
	CertifyWoken  // the sleepers that have something to read are woken
	CertifyDone   // the certified position in the header is raised

	// Subscribing.
	SubscribeTaken   // the subscriber record is owned
	SubscribeWiped   // what a dead owner left is cleared
	SubscribeFilled  // the record has policy and patience
	SubscribeCursor  // the cursor is stored
	SubscribeClosed  // the gate is closed
	SubscribeGate    // the bit in the bitmap of gates is set
	SubscribeJoined  // the start is determined
	SubscribeMatched // the interest bits are set

	// Receiving.
	ReceiveEntered // the call has begun
	ReceivePeeked  // the entry is loaded, and has a message
	ReceiveCopied  // the slot is copied, and not yet validated
	ReceiveLapped  // the message was overwritten, and the cursor has jumped
	ReceiveTaken   // the cursor is after the message
	ReceiveInPlace // the caller reads the slot in place

	// Sleeping until there is a message.
	SleepWord     // the wake word says asleep
	SleepBit      // the bit in the bitmap of sleepers is set
	SleepLooked   // the last look has found nothing
	SleepPosition // the wake word has the position: certifiers may move it
	SleepReturned // the semaphore operation has returned
	SleepCursor   // the cursor is at the certified position
	SleepAwake    // the wake word says awake
	SleepOver     // the bit is cleared

	// Marking clients dead, and clearing what they left.
	BuryMarked           // the client state is dead
	ClearGate            // a dead subscriber's gate is open
	ClearSubscriber      // the subscriber record is taken
	ClearSubscriberWiped // the record is wiped
	ClearSubscriberFreed // the record is free
	ClearPublisher       // a dead publisher's record is taken
	ClearPublisherWiped  // the record is wiped
	ClearPublisherFreed  // the record is free

	// Wiping a publisher record, the client's own or a dead one's, and giving it back.
	WipeWoken     // sleepers that want the topic are woken
	WipeCounted   // the counts are added to the topic
	WipeTopic     // the record has no topic
	WipeIntent    // the record has no intent
	WipePublisher // the record is as new
	FreePublisher // the client's own record is free

	// Wiping a subscriber record, the client's own or a dead one's, and giving it back.
	WipeGate       // the gate is open
	WipeList       // the bit in the bitmap of gates is cleared
	WipeSleeper    // the bit in the bitmap of sleepers is cleared
	WipeInterest   // the interest bits are cleared
	FreeSubscriber // the client's own record is free

	// Checking whether the bus is still there, and removing what is left if it is not.
	PatrolListed  // this client is among those that check in turn
	PatrolMarked  // the segment says that the bus is removed
	PatrolRung    // the bell has told all clients
	PatrolSet     // the semaphore set is removed
	PatrolSegment // the segment is removed

	// Restoring a lost key file, under the lock on it.
	RestoreLocked  // the key file exists and is locked
	RestoreWritten // the key file names the bus

	// Hearing the death bell.
	BellRead    // the value of the bell is read
	BellHeard   // the deaths are dealt with
	BellLowered // the bell is lowered from its maximum

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
