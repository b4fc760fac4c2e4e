package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// writeStatus prints a snapshot for people.
func writeStatus(w io.Writer, s bus.Snapshot, r rates) error {
	var b strings.Builder
	age := func(t time.Time) string { return cli.Age(s.Taken.Sub(t)) }
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }

	fmt.Fprintf(&b, "%s: %s, %s old, uuid %s\n", cli.Printable(s.Name), s.State, age(s.Created), s.UUID)
	fmt.Fprintf(&b, "  system V  key %s, shmid %d, semid %d, %s\n", key(s.Key), s.ShmID, s.SemID, cli.Bytes(uint64(s.SizeBytes)))
	fmt.Fprintf(&b, "  access    mode %s, owner %s, key file %s\n", octal(s.Mode), ownerName(s.UID, s.GID), cli.Printable(s.Path))
	fmt.Fprintf(&b, "  ring      %d slots of %d bytes, %s filled; oldest %d, head %d; reliable backlog %s\n",
		s.Geometry.Slots, s.Geometry.SlotSize, percent(filled(s)), s.Oldest, s.Head, percent(s.Fill))
	fmt.Fprintf(&b, "  traffic   %s messages, %s\n", cli.Rate(r.Messages), byteRate(r.Bytes))
	fmt.Fprintf(&b, "  handled   %d deaths, %d records reclaimed, %d evictions, %d wake-ups\n", s.Deaths, s.Reclaimed, s.Evictions, s.Posts)
	fmt.Fprintf(&b, "  busd      %s\n", daemonText(s))

	publishers, subscribers := alive(s)
	fmt.Fprintf(&b, "\npublishers: %d of %d\n", publishers, s.Geometry.Publishers)
	t := cli.Table{Head: []string{"PID>", "NAME", "TOPIC", "RATE>", "BYTES>", "MESSAGES>", "POSITION>", "FULL>", "STATE", "AGE>"}}
	for _, p := range s.Publishers {
		state := "ready"
		switch {
		case !p.Alive:
			state = "dead"
		case p.Waiting:
			state = "waiting"
		}
		x := r.Publishers[p.Index]
		t.Row(strconv.Itoa(p.Pid), p.Name, p.Topic, cli.Rate(x.Messages), byteRate(x.Bytes), cli.Count(p.Messages), number(p.Position), cli.Count(p.Full), state, age(p.Since))
	}
	_ = t.Write(&b, "  ")

	fmt.Fprintf(&b, "\nsubscribers: %d of %d\n", subscribers, s.Geometry.Subscribers)
	t = cli.Table{Head: []string{"PID>", "NAME", "PATTERN", "POLICY", "RATE>", "RECEIVED>", "POSITION>", "LAG>", "LOST>", "STATE", "AGE>"}}
	for _, u := range s.Subscribers {
		state := "awake"
		switch {
		case !u.Alive:
			state = "dead"
		case u.Gate == "evicted" || u.Gate == "demoted":
			state = u.Gate
		case u.Asleep:
			state = "asleep"
		}
		x := r.Subscribers[u.Index]
		t.Row(strconv.Itoa(u.Pid), u.Name, u.Pattern, u.Policy, cli.Rate(x.Messages), cli.Count(u.Received), number(u.Position), cli.Count(u.Lag), cli.Count(u.Lost), state, age(u.Since))
	}
	_ = t.Write(&b, "  ")

	if idle := idleClients(s); len(idle) > 0 {
		fmt.Fprintf(&b, "\nother clients:\n")
		t = cli.Table{Head: []string{"PID>", "NAME", "STATE", "AGE>"}}
		for _, c := range idle {
			state := "attached"
			switch {
			case !c.Alive:
				state = "dead"
			case c.Daemon:
				state = "daemon"
			}
			t.Row(strconv.Itoa(c.Pid), c.Name, state, age(c.Since))
		}
		_ = t.Write(&b, "  ")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// filled returns how much of the ring holds a message, from 0 to 1. It stays 1 once it is.
func filled(s bus.Snapshot) float64 {
	if s.Geometry.Slots == 0 || s.Head < s.Oldest {
		return 0
	}
	return min(float64(s.Head-s.Oldest)/float64(s.Geometry.Slots), 1)
}

// daemonText says who serves the bus.
func daemonText(s bus.Snapshot) string {
	var pids []string
	for _, c := range otherDaemons(s, 0) {
		pids = append(pids, fmt.Sprintf("pid %d, up %s", c.Pid, cli.Age(s.Taken.Sub(c.Since))))
	}
	if len(pids) == 0 {
		return "not running (the bus works without; clients see to deaths themselves)"
	}
	return strings.Join(pids, "; ")
}

// idleClients returns the clients that neither publish nor subscribe.
func idleClients(s bus.Snapshot) []bus.ClientStatus {
	busy := map[int]bool{}
	for _, p := range s.Publishers {
		busy[p.Client] = true
	}
	for _, u := range s.Subscribers {
		busy[u.Client] = true
	}
	var list []bus.ClientStatus
	for _, c := range s.Clients {
		if !busy[c.Index] {
			list = append(list, c)
		}
	}
	return list
}
