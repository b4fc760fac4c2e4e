package bus

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"shmbus/layout"
	"shmbus/sysvsem"
)

// A Snapshot is the state of a bus. Its parts are read one after the other while the bus goes on.
//
// Its JSON is the output of busd status --json. Fields may be added, but none is renamed.
// Positions, and counts of positions such as lag and lost, are slots of the ring: a message takes
// one, or several if it does not fit one slot.
type Snapshot struct {
	Name    string    `json:"name"`
	UUID    string    `json:"uuid"`
	State   string    `json:"state"` // "live" or "removed"
	Path    string    `json:"path"`  // of the key file, "" if it was opened by key
	Key     int32     `json:"key"`   // the System V key
	ShmID   int       `json:"shm_id"`
	SemID   int       `json:"sem_id"`
	UID     int       `json:"uid"` // owner and group of the segment; -1 where they are not known
	GID     int       `json:"gid"`
	Mode    Mode      `json:"mode"` // permission bits of the segment
	Created time.Time `json:"created"`
	Taken   time.Time `json:"taken"` // when it was read
	Sizes   Sizes     `json:"sizes"`

	Head   uint64 `json:"head"`   // position of the next message
	Oldest uint64 `json:"oldest"` // the oldest position held
	// The part of the ring that holds messages, 0 to 1. It is 1 once the ring was filled.
	Fill float64 `json:"fill"`
	// The part of the ring that the slowest reliable subscriber has yet to read, 0 to 1.
	Backlog   float64 `json:"backlog"`
	Certified uint64  `json:"certified"` // no sleeper is owed a wake-up below this position

	// Counts since the bus was created.
	Deaths     uint64 `json:"deaths"`    // clients found dead
	Reclaimed  uint64 `json:"reclaimed"` // records taken over from the dead
	Evictions  uint64 `json:"evictions"` // subscribers cut off or demoted
	Posts      uint64 `json:"posts"`     // wake-ups by system call
	BellResets uint64 `json:"bell_resets"`

	// Rates of the whole bus, which SetRates fills in.
	Interval     time.Duration `json:"interval_ns"` // between the two snapshots; 0 without rates
	MessageRate  float64       `json:"message_rate"`
	ByteRate     float64       `json:"byte_rate"`
	PositionRate float64       `json:"position_rate"`

	// The subscription that leaves publishers no room; nil if there is none.
	BlockedBy *Blocker `json:"blocked_by"`

	Clients     []ClientStatus     `json:"clients"`
	Publishers  []PublisherStatus  `json:"publishers"`
	Subscribers []SubscriberStatus `json:"subscribers"`
	Topics      []TopicStatus      `json:"topics"`
}

// Mode holds permission bits. It prints them as octal digits such as 0660, also in JSON.
type Mode fs.FileMode

func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// MarshalText returns the octal digits.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads octal digits.
func (m *Mode) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 8, 32)
	*m = Mode(v)
	return err
}

// A ClientStatus is an open handle.
type ClientStatus struct {
	Index   int       `json:"index"`
	Pid     int       `json:"pid"` // in its own pid namespace
	Name    string    `json:"name"`
	Since   time.Time `json:"since"`
	Alive   bool      `json:"alive"`
	Daemon  bool      `json:"daemon"`
	Stopped bool      `json:"stopped"` // see FindStopped
}

// A PublisherStatus is a publisher's record.
type PublisherStatus struct {
	Index       int       `json:"index"`
	Client      int       `json:"client"` // index
	Pid         int       `json:"pid"`
	Name        string    `json:"name"`
	Topic       string    `json:"topic"`
	Position    uint64    `json:"position"` // of its last message
	Messages    uint64    `json:"messages"`
	Bytes       uint64    `json:"bytes"`
	Full        uint64    `json:"full"`    // times that it found no room
	Waiting     bool      `json:"waiting"` // for room, now
	Alive       bool      `json:"alive"`
	Stopped     bool      `json:"stopped"`
	Since       time.Time `json:"since"`
	MessageRate float64   `json:"message_rate"` // see SetRates
	ByteRate    float64   `json:"byte_rate"`
}

// A SubscriberStatus is a subscription's record.
type SubscriberStatus struct {
	Index       int       `json:"index"`
	Client      int       `json:"client"` // index
	Pid         int       `json:"pid"`
	Name        string    `json:"name"`
	Pattern     string    `json:"pattern"`
	Policy      string    `json:"policy"`   // "lossy", "reliable", "evict" or "demote"
	Gate        string    `json:"gate"`     // "closed" (publishers wait), "open", "evicted" or "demoted"
	Position    uint64    `json:"position"` // the position that it reads next
	Lag         uint64    `json:"lag"`      // positions that it has yet to read
	Received    uint64    `json:"received"` // messages
	Bytes       uint64    `json:"bytes"`
	Lost        uint64    `json:"lost"`   // positions
	Losses      uint64    `json:"losses"` // times that positions were lost
	Sleeps      uint64    `json:"sleeps"`
	Posts       uint64    `json:"posts"` // times that it was woken by a system call
	Asleep      bool      `json:"asleep"`
	Alive       bool      `json:"alive"`
	Stopped     bool      `json:"stopped"`
	Since       time.Time `json:"since"`
	MessageRate float64   `json:"message_rate"`
	ByteRate    float64   `json:"byte_rate"`
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

// A Blocker is a reliable subscription that leaves publishers no room.
type Blocker struct {
	Subscriber int    `json:"subscriber"` // index
	Client     int    `json:"client"`     // index
	Pid        int    `json:"pid"`
	Name       string `json:"name"`
	Pattern    string `json:"pattern"`
	Policy     string `json:"policy"`
	Position   uint64 `json:"position"`
	Lag        uint64 `json:"lag"`
	Stopped    bool   `json:"stopped"`
	Waiting    int    `json:"waiting"` // publishers that sleep until there is room
}

// FindBlocker sets BlockedBy from the tables. It considers the subscriptions for which publishers
// wait, and takes the one that is furthest behind if it is at least a lap behind. If a publisher
// sleeps until there is room, half a lap is enough: its message may take many slots. Snapshots have
// BlockedBy set already.
func (s *Snapshot) FindBlocker() {
	s.BlockedBy = nil
	var by *SubscriberStatus
	for i := range s.Subscribers {
		if u := &s.Subscribers[i]; u.Alive && u.Gate == "closed" && (by == nil || u.Lag > by.Lag) {
			by = u
		}
	}
	waiting := 0
	for _, p := range s.Publishers {
		if p.Alive && p.Waiting {
			waiting++
		}
	}
	slots := uint64(s.Sizes.Slots)
	if by == nil || by.Lag < slots && (waiting == 0 || by.Lag < slots/2) {
		return
	}
	s.BlockedBy = &Blocker{
		Subscriber: by.Index, Client: by.Client, Pid: by.Pid, Name: by.Name, Pattern: by.Pattern,
		Policy: by.Policy, Position: by.Position, Lag: by.Lag, Stopped: by.Stopped, Waiting: waiting,
	}
}

// FindStopped sets Stopped for each process that is stopped by SIGSTOP, a terminal or a debugger.
// It looks at /proc for each client, and finds nothing out about processes that are not visible
// there.
//
// The pid in a client's record is that of the client's own pid namespace. The kernel knows the
// process as well, as the last one that changed the client's liveness semaphore. It returns the pid
// in this namespace, or 0 if the process is not visible here.
func (s *Snapshot) FindStopped() {
	stopped := map[int]bool{}
	set := sysvsem.FromID(s.SemID)
	for i := range s.Clients {
		c := &s.Clients[i]
		if !c.Alive {
			continue
		}
		if pid, err := set.GetPid(int(layout.SemLive(c.Index))); err == nil && pid > 0 && isStopped(pid) {
			c.Stopped, stopped[c.Index] = true, true
		}
	}
	for i := range s.Publishers {
		s.Publishers[i].Stopped = stopped[s.Publishers[i].Client]
	}
	for i := range s.Subscribers {
		s.Subscribers[i].Stopped = stopped[s.Subscribers[i].Client]
	}
	if s.BlockedBy != nil {
		s.BlockedBy.Stopped = stopped[s.BlockedBy.Client]
	}
}

// isStopped reports whether a process is in one of the two stopped states of proc(5).
func isStopped(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(b, ')') // the name stands in parentheses, and may contain some
	return err == nil && i >= 0 && i+2 < len(b) && (b[i+2] == 'T' || b[i+2] == 't')
}

// SetRates sets the rates of s from the counts that were added since an earlier snapshot of the
// same bus. A record that was free or had another owner in the earlier snapshot has no rate.
func (s *Snapshot) SetRates(earlier Snapshot) {
	seconds := s.Taken.Sub(earlier.Taken).Seconds()
	if seconds <= 0 || earlier.UUID != s.UUID {
		return
	}
	s.Interval = s.Taken.Sub(earlier.Taken)
	// Counts are read while others write them: one may seem to go back.
	per := func(before, after uint64) float64 { return max(float64(int64(after-before)), 0) / seconds }

	messages, volume := earlier.Published()
	messagesNow, volumeNow := s.Published()
	s.MessageRate, s.ByteRate, s.PositionRate = per(messages, messagesNow), per(volume, volumeNow), per(earlier.Head, s.Head)
	type owner struct {
		index, client int
		since         time.Time
	}
	publishers := map[owner]PublisherStatus{}
	for _, p := range earlier.Publishers {
		publishers[owner{p.Index, p.Client, p.Since}] = p
	}
	for i := range s.Publishers {
		p := &s.Publishers[i]
		if old, ok := publishers[owner{p.Index, p.Client, p.Since}]; ok {
			p.MessageRate, p.ByteRate = per(old.Messages, p.Messages), per(old.Bytes, p.Bytes)
		}
	}
	subscribers := map[owner]SubscriberStatus{}
	for _, u := range earlier.Subscribers {
		subscribers[owner{u.Index, u.Client, u.Since}] = u
	}
	for i := range s.Subscribers {
		u := &s.Subscribers[i]
		if old, ok := subscribers[owner{u.Index, u.Client, u.Since}]; ok {
			u.MessageRate, u.ByteRate = per(old.Received, u.Received), per(old.Bytes, u.Bytes)
		}
	}
}

// Published returns how many messages, and how many bytes, were published on all topics since the
// bus was created.
func (s *Snapshot) Published() (messages, bytes uint64) {
	for _, t := range s.Topics {
		messages, bytes = messages+t.Messages, bytes+t.Bytes
	}
	return messages, bytes
}
