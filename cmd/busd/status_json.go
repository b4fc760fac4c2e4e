package main

import (
	"time"

	"shmbus/bus"
)

const statusJSONHelp = `With --json: an object with
  name, uuid, state, key, shm_id, sem_id, size_bytes    state is "live" or "removed"
  path                    of the key file
  uid, gid, mode          who may use it: owner, group, permission bits in octal
  created, taken          times (RFC 3339)
  slots, slot_size, max_publishers, max_subscribers, max_topics, max_clients, max_frame
  head, oldest            position of the next message, and of the oldest one held
  fill                    part of the ring that holds a message, 0 to 1
  backlog                 part of the ring that the slowest reliable subscriber has yet to read, 0 to 1
  interval_ns             time over which the rates were measured
  message_rate, byte_rate, position_rate    per second, whole bus; a message takes one position or more
  deaths, reclaimed, evictions, posts    counts since creation
  blocked_by    what keeps publishers from publishing: {subscriber, pid, name, pattern, lag, stopped, waiting}; null if nothing does
  clients       [{index, pid, name, since, alive, daemon, stopped}]
  publishers    [{index, client, pid, name, topic, position, messages, bytes, full, waiting, alive, stopped, since, message_rate, byte_rate}]
  subscribers   [{index, client, pid, name, pattern, policy, position, lag, received, bytes, lost, losses, sleeps, posts,
                  asleep, gate, alive, stopped, since, message_rate, byte_rate}]    lag and lost in positions
  topics        as busd topics --json prints them
Fields may be added, never renamed.`

// The types below are the documented output; they do not follow those of package bus.
type statusJSON struct {
	Name           string           `json:"name"`
	UUID           string           `json:"uuid"`
	State          string           `json:"state"`
	Key            int32            `json:"key"`
	ShmID          int              `json:"shm_id"`
	SemID          int              `json:"sem_id"`
	SizeBytes      int              `json:"size_bytes"`
	Path           string           `json:"path"`
	UID            int              `json:"uid"`
	GID            int              `json:"gid"`
	Mode           string           `json:"mode"`
	Created        time.Time        `json:"created"`
	Taken          time.Time        `json:"taken"`
	Slots          int              `json:"slots"`
	SlotSize       int              `json:"slot_size"`
	MaxPublishers  int              `json:"max_publishers"`
	MaxSubscribers int              `json:"max_subscribers"`
	MaxTopics      int              `json:"max_topics"`
	MaxClients     int              `json:"max_clients"`
	MaxFrame       int              `json:"max_frame"`
	Head           uint64           `json:"head"`
	Oldest         uint64           `json:"oldest"`
	Fill           float64          `json:"fill"`
	Backlog        float64          `json:"backlog"`
	IntervalNS     int64            `json:"interval_ns"`
	MessageRate    float64          `json:"message_rate"`
	ByteRate       float64          `json:"byte_rate"`
	PositionRate   float64          `json:"position_rate"`
	Deaths         uint64           `json:"deaths"`
	Reclaimed      uint64           `json:"reclaimed"`
	Evictions      uint64           `json:"evictions"`
	Posts          uint64           `json:"posts"`
	BlockedBy      *blockedByJSON   `json:"blocked_by"`
	Clients        []clientJSON     `json:"clients"`
	Publishers     []publisherJSON  `json:"publishers"`
	Subscribers    []subscriberJSON `json:"subscribers"`
	Topics         []topicJSON      `json:"topics"`
}

type blockedByJSON struct {
	Subscriber int    `json:"subscriber"` // index
	Pid        int    `json:"pid"`
	Name       string `json:"name"`
	Pattern    string `json:"pattern"`
	Lag        uint64 `json:"lag"`
	Stopped    bool   `json:"stopped"`
	Waiting    int    `json:"waiting"` // publishers
}

type clientJSON struct {
	Index   int       `json:"index"`
	Pid     int       `json:"pid"`
	Name    string    `json:"name"`
	Since   time.Time `json:"since"`
	Alive   bool      `json:"alive"`
	Daemon  bool      `json:"daemon"`
	Stopped bool      `json:"stopped"`
}

type publisherJSON struct {
	Index       int       `json:"index"`
	Client      int       `json:"client"`
	Pid         int       `json:"pid"`
	Name        string    `json:"name"`
	Topic       string    `json:"topic"`
	Position    uint64    `json:"position"`
	Messages    uint64    `json:"messages"`
	Bytes       uint64    `json:"bytes"`
	Full        uint64    `json:"full"`
	Waiting     bool      `json:"waiting"`
	Alive       bool      `json:"alive"`
	Stopped     bool      `json:"stopped"`
	Since       time.Time `json:"since"`
	MessageRate float64   `json:"message_rate"`
	ByteRate    float64   `json:"byte_rate"`
}

type subscriberJSON struct {
	Index       int       `json:"index"`
	Client      int       `json:"client"`
	Pid         int       `json:"pid"`
	Name        string    `json:"name"`
	Pattern     string    `json:"pattern"`
	Policy      string    `json:"policy"`
	Position    uint64    `json:"position"`
	Lag         uint64    `json:"lag"`
	Received    uint64    `json:"received"`
	Bytes       uint64    `json:"bytes"`
	Lost        uint64    `json:"lost"`
	Losses      uint64    `json:"losses"`
	Sleeps      uint64    `json:"sleeps"`
	Posts       uint64    `json:"posts"`
	Asleep      bool      `json:"asleep"`
	Gate        string    `json:"gate"`
	Alive       bool      `json:"alive"`
	Stopped     bool      `json:"stopped"`
	Since       time.Time `json:"since"`
	MessageRate float64   `json:"message_rate"`
	ByteRate    float64   `json:"byte_rate"`
}

func newStatusJSON(s bus.Snapshot, r rates) statusJSON {
	g := s.Geometry
	j := statusJSON{
		Name: s.Name, UUID: s.UUID, State: s.State, Key: s.Key, ShmID: s.ShmID, SemID: s.SemID, SizeBytes: s.SizeBytes,
		Path: s.Path, UID: s.UID, GID: s.GID, Mode: octal(s.Mode),
		Created: s.Created, Taken: s.Taken, Slots: g.Slots, SlotSize: g.SlotSize,
		MaxPublishers: g.Publishers, MaxSubscribers: g.Subscribers, MaxTopics: g.Topics, MaxClients: g.Clients, MaxFrame: g.MaxFrame,
		Head: s.Head, Oldest: s.Oldest, Fill: filled(s), Backlog: s.Fill,
		IntervalNS: r.Interval.Nanoseconds(), MessageRate: r.Messages, ByteRate: r.Bytes, PositionRate: r.Positions,
		Deaths: s.Deaths, Reclaimed: s.Reclaimed, Evictions: s.Evictions, Posts: s.Posts,
		Clients: []clientJSON{}, Publishers: []publisherJSON{}, Subscribers: []subscriberJSON{}, Topics: newTopicsJSON(s),
	}
	stopped := stoppedClients(s)
	if b, ok := blockageOf(s); ok {
		j.BlockedBy = &blockedByJSON{b.by.Index, b.by.Pid, b.by.Name, b.by.Pattern, b.by.Lag, b.stopped, len(b.waiting)}
	}
	for _, c := range s.Clients {
		j.Clients = append(j.Clients, clientJSON{c.Index, c.Pid, c.Name, c.Since, c.Alive, c.Daemon, stopped[c.Index]})
	}
	for _, p := range s.Publishers {
		x := r.Publishers[p.Index]
		j.Publishers = append(j.Publishers, publisherJSON{
			Index: p.Index, Client: p.Client, Pid: p.Pid, Name: p.Name, Topic: p.Topic, Position: p.Position,
			Messages: p.Messages, Bytes: p.Bytes, Full: p.Full, Waiting: p.Waiting, Alive: p.Alive, Stopped: stopped[p.Client], Since: p.Since,
			MessageRate: x.Messages, ByteRate: x.Bytes,
		})
	}
	for _, u := range s.Subscribers {
		x := r.Subscribers[u.Index]
		j.Subscribers = append(j.Subscribers, subscriberJSON{
			Index: u.Index, Client: u.Client, Pid: u.Pid, Name: u.Name, Pattern: u.Pattern, Policy: u.Policy,
			Position: u.Position, Lag: u.Lag, Received: u.Received, Bytes: u.Bytes, Lost: u.Lost, Losses: u.Losses,
			Sleeps: u.Sleeps, Posts: u.Posts, Asleep: u.Asleep, Gate: u.Gate, Alive: u.Alive, Stopped: stopped[u.Client], Since: u.Since,
			MessageRate: x.Messages, ByteRate: x.Bytes,
		})
	}
	return j
}
