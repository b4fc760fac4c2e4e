package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// A frame is the room for a snapshot.
type frame struct {
	columns int // 0: as many as it takes
	rows    int // 0: as many as it takes
}

// writeStatus prints a snapshot for people. On a terminal the lines are cut to its width.
func writeStatus(w io.Writer, s bus.Snapshot) error {
	room := frame{}
	if _, columns, ok := cli.TerminalSize(w); ok {
		room.columns = columns
	}
	_, err := io.WriteString(w, strings.Join(statusLines(s, room), "\n")+"\n")
	return err
}

// A section is a table of the status under a title.
type section struct {
	title string
	table cli.Table
	drop  []string // columns that are left out where there is no room, in this order
}

// statusLines returns a snapshot as lines that fit the frame. If there is no room for all rows of
// the tables, each table gets a share.
func statusLines(s bus.Snapshot, room frame) []string {
	lines := statusHead(s)
	sections := []section{publisherSection(s), subscriberSection(s)}
	if idle := clientSection(s); len(idle.table.Rows) > 0 {
		sections = append(sections, idle)
	}
	if room.rows > 0 && room.rows < len(lines)+fewRows*len(sections) {
		lines = statusCore(s)
	}
	shown := make([]int, len(sections))
	for i, x := range sections {
		shown[i] = len(x.table.Rows)
	}
	if room.rows > 0 {
		// Each section also has an empty line, a title and a heading.
		shares(shown, room.rows-len(lines)-3*len(sections))
	}
	for i, x := range sections {
		lines = append(lines, "", x.title)
		left := len(x.table.Rows) - shown[i]
		x.table.Rows = x.table.Rows[:shown[i]]
		if room.columns > 0 {
			x.table.Fit(room.columns, "  ", x.drop...)
		}
		var b strings.Builder
		_ = x.table.Write(&b, "  ")
		for line := range strings.Lines(b.String()) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
		if left > 0 {
			lines = append(lines, fmt.Sprintf("  … %d more", left))
		}
	}
	if room.rows > 0 {
		lines = lines[:min(len(lines), room.rows)]
	}
	if room.columns > 0 {
		for i, line := range lines {
			if characters := []rune(line); len(characters) > room.columns {
				lines[i] = string(characters[:room.columns])
			}
		}
	}
	return lines
}

// shares reduces the numbers of rows of tables until they fit the room together. A table that does
// not show all its rows needs one more row that says so.
func shares(rows []int, room int) {
	wanted := slices.Clone(rows)
	for {
		total, largest := 0, 0
		for i, n := range rows {
			total += n
			if n < wanted[i] {
				total++
			}
			if n > rows[largest] {
				largest = i
			}
		}
		if total <= room || rows[largest] == 0 {
			return
		}
		rows[largest]--
	}
}

// fewRows is the least number of rows of a section in a small terminal, not counting an empty line.
// With fewer rows the head is shortened.
const fewRows = 5

// statusCore is the head of a status in a small terminal.
func statusCore(s bus.Snapshot) []string {
	lines := []string{fmt.Sprintf("%s: %s, %s messages, %s filled, backlog %s", cli.Printable(s.Name), s.State, cli.Rate(s.MessageRate), percent(s.Fill), percent(s.Backlog))}
	return append(lines, blockedLine(s)...)
}

// blockedLine describes the subscription that blocks publishers, if there is one.
func blockedLine(s bus.Snapshot) []string {
	if s.BlockedBy != nil {
		return []string{"  BLOCKED   by " + blocked(s.BlockedBy)}
	}
	return nil
}

func statusHead(s bus.Snapshot) []string {
	lines := []string{
		fmt.Sprintf("%s: %s, %s old, uuid %s", cli.Printable(s.Name), s.State, age(s, s.Created), s.UUID),
		fmt.Sprintf("  system V  key %s, shmid %d, semid %d, %s", key(s.Key), s.ShmID, s.SemID, cli.Bytes(uint64(s.Sizes.Segment))),
		fmt.Sprintf("  access    mode %s, owner %s, key file %s", s.Mode, ownerName(s.UID, s.GID), cli.Printable(s.Path)),
		fmt.Sprintf("  ring      %d slots of %d bytes, %s filled; oldest position %d, head %d; reliable backlog %s",
			s.Sizes.Slots, s.Sizes.SlotSize, percent(s.Fill), s.Oldest, s.Head, percent(s.Backlog)),
		fmt.Sprintf("  traffic   %s messages, %s; %s positions", cli.Rate(s.MessageRate), byteRate(s.ByteRate), cli.Rate(s.PositionRate)),
		fmt.Sprintf("  handled   %s, %s reclaimed, %s, %s", cli.Plural(s.Deaths, "death"), cli.Plural(s.Reclaimed, "record"),
			cli.Plural(s.Evictions, "eviction"), cli.Plural(s.Posts, "wake-up")),
		fmt.Sprintf("  busd      %s", daemonText(s)),
	}
	return append(lines, blockedLine(s)...)
}

func age(s bus.Snapshot, t time.Time) string { return cli.Age(s.Taken.Sub(t)) }

func publisherSection(s bus.Snapshot) section {
	publishers, _ := alive(s)
	x := section{
		title: fmt.Sprintf("publishers: %d of %d", publishers, s.Sizes.Publishers),
		table: cli.Table{Head: []string{"PID>", "NAME", "TOPIC", "RATE>", "BYTES>", "MESSAGES>", "POSITION>", "FULL>", "STATE", "AGE>"}},
		drop:  []string{"AGE>", "FULL>", "POSITION>", "BYTES>", "MESSAGES>", "NAME"},
	}
	for _, p := range s.Publishers {
		state := "ready"
		switch {
		case !p.Alive:
			state = "dead"
		case p.Stopped:
			state = "stopped"
		case p.Waiting:
			state = "waiting"
		}
		x.table.Row(strconv.Itoa(p.Pid), p.Name, p.Topic, cli.Rate(p.MessageRate), byteRate(p.ByteRate), cli.Count(p.Messages),
			strconv.FormatUint(p.Position, 10), cli.Count(p.Full), state, age(s, p.Since))
	}
	return x
}

func subscriberSection(s bus.Snapshot) section {
	_, subscribers := alive(s)
	x := section{
		title: fmt.Sprintf("subscribers: %d of %d", subscribers, s.Sizes.Subscribers),
		table: cli.Table{Head: []string{"PID>", "NAME", "PATTERN", "POLICY", "RATE>", "RECEIVED>", "POSITION>", "LAG>", "LOST>", "STATE", "AGE>"}},
		drop:  []string{"AGE>", "POSITION>", "RECEIVED>", "POLICY", "NAME", "RATE>"},
	}
	for _, u := range s.Subscribers {
		state := "awake"
		switch {
		case !u.Alive:
			state = "dead"
		case u.Gate == "evicted" || u.Gate == "demoted":
			state = u.Gate
		case u.Stopped:
			state = "stopped"
		case u.Asleep:
			state = "asleep"
		}
		x.table.Row(strconv.Itoa(u.Pid), u.Name, u.Pattern, u.Policy, cli.Rate(u.MessageRate), cli.Count(u.Received),
			strconv.FormatUint(u.Position, 10), cli.Count(u.Lag), cli.Count(u.Lost), state, age(s, u.Since))
	}
	return x
}

func clientSection(s bus.Snapshot) section {
	x := section{
		title: "other clients:",
		table: cli.Table{Head: []string{"PID>", "NAME", "STATE", "AGE>"}},
		drop:  []string{"AGE>"},
	}
	for _, c := range idleClients(s) {
		state := "attached"
		switch {
		case !c.Alive:
			state = "dead"
		case c.Stopped:
			state = "stopped"
		case c.Daemon:
			state = "daemon"
		}
		x.table.Row(strconv.Itoa(c.Pid), c.Name, state, age(s, c.Since))
	}
	return x
}

// daemonText describes the busd that serves the bus.
func daemonText(s bus.Snapshot) string {
	var pids []string
	for _, c := range otherDaemons(s, 0) {
		pids = append(pids, fmt.Sprintf("pid %d, up %s", c.Pid, cli.Age(s.Taken.Sub(c.Since))))
	}
	if len(pids) == 0 {
		return "not running (the bus works without it; clients handle deaths themselves)"
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
