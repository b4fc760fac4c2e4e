package bus

import (
	"math/bits"
	"sync/atomic"
	"time"

	"shmbus/internal/segment"
	"shmbus/layout"
	"shmbus/ring"
)

var (
	policyNames = [...]string{"lossy", "reliable", "evict", "demote"}
	gateNames   = [...]string{"open", "closed", "evicted", "demoted"}
)

// nameFrom bounds an index that comes from shared memory.
func nameFrom(names []string, i uint64) string {
	if i < uint64(len(names)) {
		return names[i]
	}
	return "?"
}

// snapshot reads the segment only, and asks the kernel who is alive.
func snapshot(name string, seg *segment.Segment, r *ring.Ring) Snapshot {
	load := atomic.LoadUint64
	g := seg.Map.Geometry
	head := r.Head()
	s := Snapshot{
		Name: name, UUID: seg.Identity.UUID.String(), Key: seg.Identity.Key, ShmID: seg.Shm.ID(), SemID: seg.Set.ID(),
		Created: time.Unix(0, seg.Identity.Created), Taken: time.Now(), State: "live",
		Sizes: sizesOf(seg.Map),
		Head:  head, Oldest: r.Oldest(head), Certified: load(seg.Header(layout.HeaderCertified)),
		Deaths: load(seg.Header(layout.HeaderDeaths)), Posts: load(seg.Header(layout.HeaderPosts)),
		Evictions: load(seg.Header(layout.HeaderEvictions)), Reclaimed: load(seg.Header(layout.HeaderReclaimed)),
		BellResets: load(seg.Header(layout.HeaderBellResets)),
	}
	if seg.Removed() {
		s.State = "removed"
	}
	s.Path, s.UID, s.GID = seg.Path, -1, -1
	if st, err := seg.Shm.Stat(); err == nil {
		s.UID, s.GID, s.Mode = st.UID, st.GID, Mode(st.Mode)
	}
	live, err := seg.Set.GetAll()
	if err != nil {
		s.State = "removed"
	}
	look := snapshotter{seg: seg, live: live, head: head}
	s.Clients = look.clients()
	s.Topics = look.topics()
	s.Publishers = look.publishers(s.Topics)
	s.Subscribers = look.subscribers()
	for _, sub := range s.Subscribers {
		if sub.Gate == "closed" {
			s.Backlog = max(s.Backlog, min(float64(sub.Lag)/float64(g.Slots), 1))
		}
	}
	s.Fill = min(float64(s.Head-s.Oldest)/float64(g.Slots), 1)
	s.FindBlocker()
	s.Topics = mergeTopics(s.Topics)
	return s
}

type snapshotter struct {
	seg  *segment.Segment
	live []uint16
	head uint64
}

func (l *snapshotter) alive(o layout.Owner) bool {
	return l.seg.HasJoined(o) && segment.LivesIn(l.live, o.Client())
}

// process returns the pid and the name of a record's owner.
func (l *snapshotter) process(o layout.Owner) (client, pid int, name string) {
	c := o.Client()
	if c < 0 || c >= l.seg.Map.Geometry.Clients {
		return -1, 0, "?"
	}
	return c, int(atomic.LoadUint64(l.seg.Client(c, layout.ClientPid))),
		layout.CString(l.seg.Text(l.seg.Map.Clients.At(c)+layout.ClientName, layout.NameSize))
}

func (l *snapshotter) clients() []ClientStatus {
	out := []ClientStatus{}
	for c := range l.seg.High(layout.HeaderClientHigh, l.seg.Map.Geometry.Clients) {
		st := layout.ClientState(atomic.LoadUint64(l.seg.Client(c, layout.ClientStateWord)))
		if st.State() != layout.ClientJoined {
			continue
		}
		_, pid, name := l.process(layout.MakeOwner(c, st.Generation(), layout.OwnerHeld))
		out = append(out, ClientStatus{
			Index: c, Pid: pid, Name: name,
			Since:  time.Unix(0, int64(atomic.LoadUint64(l.seg.Client(c, layout.ClientSince)))),
			Alive:  l.alive(layout.MakeOwner(c, st.Generation(), layout.OwnerHeld)),
			Daemon: atomic.LoadUint64(l.seg.Client(c, layout.ClientFlags))&layout.ClientDaemon != 0,
		})
	}
	return out
}

func (l *snapshotter) topics() []TopicStatus {
	out := []TopicStatus{}
	for t := range l.seg.Map.Geometry.Topics {
		o := layout.Owner(atomic.LoadUint64(l.seg.Topic(t, layout.TopicOwner)))
		if o == 0 {
			break
		}
		if o.State() != layout.OwnerReady {
			continue
		}
		n := min(atomic.LoadUint64(l.seg.Topic(t, layout.TopicLength)), layout.TopicNameSize)
		st := TopicStatus{
			ID: t, Name: string(l.seg.Text(l.seg.Map.Topics.At(t)+layout.TopicName, int(n))),
			Messages: atomic.LoadUint64(l.seg.Topic(t, layout.TopicMessages)),
			Bytes:    atomic.LoadUint64(l.seg.Topic(t, layout.TopicBytes)),
		}
		row := l.seg.Interest(t)
		for i := range row {
			st.Subscribers += bits.OnesCount64(atomic.LoadUint64(&row[i]))
		}
		out = append(out, st)
	}
	return out
}

func (l *snapshotter) publishers(topics []TopicStatus) []PublisherStatus {
	byID := make(map[int]*TopicStatus, len(topics))
	for i := range topics {
		byID[topics[i].ID] = &topics[i]
	}
	out := []PublisherStatus{}
	for p := range l.seg.High(layout.HeaderPubHigh, l.seg.Map.Geometry.Publishers) {
		o := layout.Owner(atomic.LoadUint64(l.seg.Pub(p, layout.PubOwner)))
		if o == 0 {
			continue
		}
		st := PublisherStatus{
			Index: p, Alive: l.alive(o),
			Position: max(atomic.LoadUint64(l.seg.Pub(p, layout.PubIntent)), 1) - 1,
			Messages: atomic.LoadUint64(l.seg.Pub(p, layout.PubMessages)),
			Bytes:    atomic.LoadUint64(l.seg.Pub(p, layout.PubBytes)),
			Full:     atomic.LoadUint64(l.seg.Pub(p, layout.PubFull)),
			Waiting:  layout.Wake(atomic.LoadUint64(l.seg.Pub(p, layout.PubWake))).State() != layout.Awake,
			Since:    time.Unix(0, int64(atomic.LoadUint64(l.seg.Pub(p, layout.PubSince)))),
		}
		st.Client, st.Pid, st.Name = l.process(o)
		if t := byID[int(atomic.LoadUint64(l.seg.Pub(p, layout.PubTopic)))-1]; t != nil {
			st.Topic = t.Name
			t.Messages += st.Messages
			t.Bytes += st.Bytes
			t.Publishers++
		}
		out = append(out, st)
	}
	return out
}

func (l *snapshotter) subscribers() []SubscriberStatus {
	out := []SubscriberStatus{}
	for i := range l.seg.High(layout.HeaderSubHigh, l.seg.Map.Geometry.Subscribers) {
		word := func(f int) uint64 { return atomic.LoadUint64(l.seg.Sub(i, f)) }
		o := layout.Owner(word(layout.SubOwner))
		if o == 0 {
			continue
		}
		wake := layout.Wake(word(layout.SubWake))
		position := word(layout.SubCursor)
		if wake.State() != layout.Awake && !wake.IsNotYet() {
			// The position in the wake word is near the cursor, which may be far from the head.
			position = max(position, wake.Position(position))
		}
		st := SubscriberStatus{
			Index: i, Alive: l.alive(o),
			Pattern: layout.CString(l.seg.Text(l.seg.Map.Subscribers.At(i)+layout.SubPattern, layout.PatternSize)),
			Policy:  nameFrom(policyNames[:], word(layout.SubPolicy)),
			Gate:    nameFrom(gateNames[:], uint64(layout.Gate(word(layout.SubGate)).State())),

			Position: position, Received: word(layout.SubReceived), Bytes: word(layout.SubBytes),
			Lost: word(layout.SubLost), Losses: word(layout.SubLosses), Sleeps: word(layout.SubSleeps), Posts: word(layout.SubPosts),
			Asleep: wake.State() == layout.Asleep,
			Since:  time.Unix(0, int64(word(layout.SubSince))),
		}
		if st.Policy == policyNames[layout.PolicyLossy] {
			// The word is as the last owner of the record left it.
			st.Gate = gateNames[layout.GateOpen]
		}
		if l.head > position {
			st.Lag = l.head - position
		}
		st.Client, st.Pid, st.Name = l.process(o)
		out = append(out, st)
	}
	return out
}

// mergeTopics adds up records of the same name. Two processes that create a topic at the same
// moment may make two records.
func mergeTopics(in []TopicStatus) []TopicStatus {
	first := make(map[string]int)
	out := in[:0]
	for _, t := range in {
		if i, ok := first[t.Name]; ok {
			out[i].Messages += t.Messages
			out[i].Bytes += t.Bytes
			out[i].Publishers += t.Publishers
			out[i].Subscribers = max(out[i].Subscribers, t.Subscribers)
			continue
		}
		first[t.Name] = len(out)
		out = append(out, t)
	}
	return out
}
