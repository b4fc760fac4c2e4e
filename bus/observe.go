package bus

import (
	"io/fs"
	"strings"
	"time"

	"shmbus/internal/registry"
	"shmbus/internal/segment"
	"shmbus/internal/topics"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/sysvshm"
)

// An Observer looks at a bus without being a client of it: the segment is attached read-only, so that
// it cannot change anything, and nobody sees it. Its methods may be called by any goroutine.
type Observer struct {
	bus *Bus // a handle that has not joined
}

// Observe attaches read-only to the bus with the given name. Read permission is enough.
func Observe(name string, opts ...Option) (*Observer, error) {
	c := newConfig(opts)
	return await(c, "observe", name, c.named(name), func() (*Observer, error) {
		if err := CheckName(name); err != nil {
			return nil, &OpError{Op: "observe", Bus: name, Err: err}
		}
		seg, err := registry.Open(c.dirs, name, sysvshm.ReadOnly)
		return newObserver(name, seg, err)
	})
}

// ObserveKey attaches read-only to the bus with the given System V key.
func ObserveKey(key int32, opts ...Option) (*Observer, error) {
	return await(newConfig(opts), "observe", keyName(key), always, func() (*Observer, error) {
		seg, err := registry.OpenKey(key, sysvshm.ReadOnly)
		return newObserver(keyName(key), seg, err)
	})
}

// ObserveID attaches read-only to the bus in the segment with the given identifier.
func ObserveID(shmid int) (*Observer, error) {
	seg, err := segment.Attach(sysvshm.FromID(shmid), sysvshm.ReadOnly)
	return newObserver("", seg, err)
}

func newObserver(name string, seg *segment.Segment, err error) (*Observer, error) {
	if err != nil {
		return nil, &OpError{Op: "observe", Bus: name, Err: explain(err)}
	}
	r, err := ring.New(seg.Mem, seg.Map)
	if err != nil {
		seg.Detach()
		return nil, &OpError{Op: "observe", Bus: name, Err: err}
	}
	if name == "" || strings.HasPrefix(name, keyName0) {
		name = seg.Identity.Name
	}
	return &Observer{&Bus{
		member: newPassive(seg, r, registry.Present(seg, nil)), topics: topics.NewTable(seg), name: name,
		users: make(map[*lease]func() user), refs: 1,
	}}, nil
}

// Name returns the name of the bus.
func (o *Observer) Name() string { return o.bus.name }

// Header returns what was fixed when the bus was created.
func (o *Observer) Header() layout.Header { return o.bus.seg.Identity }

// Map returns where everything is in the segment.
func (o *Observer) Map() layout.Map { return o.bus.seg.Map }

// Snapshot returns the state of the bus as it is now.
func (o *Observer) Snapshot() (Snapshot, error) { return o.bus.Snapshot() }

// Close closes the subscriptions of the observer and detaches. It may be called more than once.
func (o *Observer) Close() error { return o.bus.Close() }

// Snapshot returns the state of the bus as it is now.
func (b *Bus) Snapshot() (Snapshot, error) {
	if err := b.adopt(); err != nil {
		return Snapshot{}, b.fail("take a snapshot of", err)
	}
	defer b.unref()
	return snapshot(b.name, b.seg, b.ring), nil
}

// A Snapshot is the state of a bus. Its parts are read one after the other while the bus goes on.
type Snapshot struct {
	Name      string          `json:"name"`
	UUID      string          `json:"uuid"`
	Key       int32           `json:"key"`
	ShmID     int             `json:"shmid"`
	SemID     int             `json:"semid"`
	Created   time.Time       `json:"created"`
	Taken     time.Time       `json:"taken"`
	State     string          `json:"state"` // "live" or "removed"
	SizeBytes int             `json:"size_bytes"`
	Path      string          `json:"path"` // of the key file, "" if it was opened by key
	UID       int             `json:"uid"`  // owner of the segment; -1 where it is not known
	GID       int             `json:"gid"`
	Mode      fs.FileMode     `json:"mode"` // permission bits of the segment
	Geometry  layout.Geometry `json:"geometry"`

	Head      uint64  `json:"head"`      // the next position
	Oldest    uint64  `json:"oldest"`    // the oldest position held
	Fill      float64 `json:"fill"`      // part of the ring that the slowest reliable subscriber has yet to read, 0 to 1
	Certified uint64  `json:"certified"` // sleepers are dealt with below it

	Deaths     uint64 `json:"deaths"`    // clients found dead
	Posts      uint64 `json:"posts"`     // wake-ups by system call
	Evictions  uint64 `json:"evictions"` // subscribers cut off or demoted
	Reclaimed  uint64 `json:"reclaimed"` // records taken over from the dead
	BellResets uint64 `json:"bell_resets"`

	Clients     []ClientStatus     `json:"clients"`
	Publishers  []PublisherStatus  `json:"publishers"`
	Subscribers []SubscriberStatus `json:"subscribers"`
	Topics      []TopicStatus      `json:"topics"`
}

// A ClientStatus is an open handle.
type ClientStatus struct {
	Index  int       `json:"index"`
	Pid    int       `json:"pid"` // in its own pid namespace
	Name   string    `json:"name"`
	Since  time.Time `json:"since"`
	Alive  bool      `json:"alive"`
	Daemon bool      `json:"daemon"`
}

// A PublisherStatus is a publisher's record.
type PublisherStatus struct {
	Index    int       `json:"index"`
	Client   int       `json:"client"`
	Pid      int       `json:"pid"`
	Name     string    `json:"name"`
	Topic    string    `json:"topic"`
	Position uint64    `json:"position"` // of its last message
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	Full     uint64    `json:"full"`    // times it found no room
	Waiting  bool      `json:"waiting"` // for room, now
	Alive    bool      `json:"alive"`
	Since    time.Time `json:"since"`
}

// A SubscriberStatus is a subscription's record.
type SubscriberStatus struct {
	Index    int       `json:"index"`
	Client   int       `json:"client"`
	Pid      int       `json:"pid"`
	Name     string    `json:"name"`
	Pattern  string    `json:"pattern"`
	Policy   string    `json:"policy"` // "lossy", "reliable", "evict" or "demote"
	Gate     string    `json:"gate"`   // "open", "closed", "evicted" or "demoted"
	Position uint64    `json:"position"`
	Lag      uint64    `json:"lag"`
	Received uint64    `json:"received"`
	Bytes    uint64    `json:"bytes"`
	Lost     uint64    `json:"lost"`
	Losses   uint64    `json:"losses"`
	Sleeps   uint64    `json:"sleeps"`
	Posts    uint64    `json:"posts"`
	Asleep   bool      `json:"asleep"`
	Alive    bool      `json:"alive"`
	Since    time.Time `json:"since"`
}

// A TopicStatus is a topic. Records of the same name are counted together.
type TopicStatus struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Messages    uint64 `json:"messages"`
	Bytes       uint64 `json:"bytes"`
	Publishers  int    `json:"publishers"`
	Subscribers int    `json:"subscribers"`
}
