package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
	"shmbus/internal/inspect"
	"shmbus/internal/linux"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// deathGrace is the time that other clients have to clear the records of a dead one.
const deathGrace = 200 * time.Millisecond

// checkBus looks at a live bus.
func (d *doctor) checkBus(i bus.Entry) {
	in := bus.WithDir(filepath.Dir(i.Path))
	o, err := bus.Observe(i.Name, in)
	if err != nil { // it was removed after it was listed, or access was withdrawn
		return
	}
	defer o.Close()
	s, err := o.Snapshot()
	if err != nil {
		return
	}
	d.checkBlocked(i, o, s)
	d.checkDead(i, o, s)
	d.checkDamage(i)
	d.checkBooks(i, o)
	d.checkPermissions(i)
	d.checkDaemon(i, s)
}

// blockedGrace is the time for which one position must have blocked publishers before doctor
// reports it.
const blockedGrace = 500 * time.Millisecond

// checkBlocked looks for a subscription that leaves publishers no room and does not move.
func (d *doctor) checkBlocked(i bus.Entry, o *bus.Observer, s bus.Snapshot) {
	before := s.BlockedBy
	if before == nil || cli.Sleep(d.ctx, blockedGrace) != nil {
		return
	}
	s, err := o.Snapshot()
	if err != nil {
		return
	}
	b := s.BlockedBy
	if b == nil || b.Subscriber != before.Subscriber || b.Client != before.Client || b.Position != before.Position {
		return
	}
	s.FindStopped()
	f := finding{
		Check: "blocked", Severity: warning, Bus: i.Name, Text: fmt.Sprintf("bus %s: publishers have no room: %s", i.Name, blocked(b)),
		Advice: "find out why it does not read, or end it, or let publishers go on without it", Command: d.busd(i, "evict", fmt.Sprint(b.Pid)),
	}
	if b.Stopped {
		f.Severity = problem
		f.Advice = fmt.Sprintf("continue it (kill -CONT %d), or end it, or let publishers go on without it", b.Pid)
	}
	d.add(f)
}

// busd returns the shell command busd VERB NAME ARGUMENTS. It names the folder if the command would
// otherwise look for the bus elsewhere.
func (d *doctor) busd(i bus.Entry, verb string, arguments ...string) string {
	command := strings.Join(append([]string{"busd", verb, i.Name}, arguments...), " ")
	if found, err := bus.List(); err == nil {
		for _, other := range found {
			if other.Name == i.Name {
				if other.Path == i.Path {
					return command
				}
				break
			}
		}
	}
	dir := filepath.Dir(i.Path)
	return "SHMBUS_DIR=" + quote(dir) + " " + command
}

// quote returns s as one word of a shell.
func quote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%,", r) && !('0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// dead describes the dead clients, and their records, that nobody has cleared.
func dead(s bus.Snapshot) map[string]bool {
	list := map[string]bool{}
	for _, c := range s.Clients {
		if !c.Alive {
			list[fmt.Sprintf("client %d (%s, pid %d)", c.Index, c.Name, c.Pid)] = true
		}
	}
	for _, p := range s.Publishers {
		if !p.Alive {
			list[fmt.Sprintf("publisher %d (%s)", p.Index, p.Topic)] = true
		}
	}
	for _, u := range s.Subscribers {
		if !u.Alive {
			list[fmt.Sprintf("subscriber %d (%s)", u.Index, u.Pattern)] = true
		}
	}
	return list
}

func (d *doctor) checkDead(i bus.Entry, o *bus.Observer, s bus.Snapshot) {
	before := dead(s)
	if len(before) == 0 || cli.Sleep(d.ctx, deathGrace) != nil {
		return
	}
	s, err := o.Snapshot()
	if err != nil {
		return
	}
	var still []string
	for who := range dead(s) {
		if before[who] {
			still = append(still, who)
		}
	}
	if len(still) == 0 {
		return
	}
	slices.Sort(still)
	f := finding{
		Check: "dead-clients", Severity: problem, Bus: i.Name,
		Text:   fmt.Sprintf("bus %s: not yet cleared after their death: %s", i.Name, strings.Join(still, ", ")),
		Advice: "clear it", Command: d.fixCommand(i),
		fix: func() error {
			b, err := bus.Open(i.Name, bus.WithDir(filepath.Dir(i.Path)), bus.WithClientName("busd doctor"))
			if err != nil {
				return err
			}
			_, err = b.Reap()
			return errors.Join(err, b.Close())
		},
	}
	if !mayWrite(i) {
		f.Advice, f.Command, f.fix = "run busd doctor --fix as a user who may publish on the bus", "", nil
	}
	d.add(f)
}

// fixCommand returns the shell command with which doctor fixes a bus.
func (d *doctor) fixCommand(i bus.Entry) string {
	command := "busd doctor --fix"
	if dir := filepath.Dir(i.Path); !containsDir(bus.Dirs(), dir) {
		command += " --dir " + quote(dir)
	}
	return command
}

// mayWrite reports whether this user may publish and subscribe on a bus.
func mayWrite(i bus.Entry) bool {
	_, err := sysvshm.Get(i.Key, 0, sysvshm.Perm(0o600)) // the kernel checks these permissions
	return err == nil
}

const (
	// damageLooks is the number of looks that must see damage before it is reported. damagePause is
	// added to the pause before each further look. On a bus in use, one look may combine two
	// moments of a change.
	damageLooks = 5
	damagePause = 20 * time.Millisecond
	// damagesShown is the most damaged words that are listed for one bus.
	damagesShown = 8
)

// checkDamage looks for words in the segment that no correct program wrote.
func (d *doctor) checkDamage(i bus.Entry) {
	found, err := inspect.Examine(i.ShmID)
	for look := 1; look < damageLooks && err == nil && len(found) > 0; look++ {
		if cli.Sleep(d.ctx, damagePause) != nil {
			return
		}
		var again []inspect.Damage
		again, err = inspect.Examine(i.ShmID)
		found = slices.DeleteFunc(found, func(x inspect.Damage) bool { return !slices.ContainsFunc(again, x.Same) })
	}
	if err != nil || len(found) == 0 {
		return
	}
	var text []string
	for _, x := range found[:min(len(found), damagesShown)] {
		text = append(text, x.String())
	}
	if more := len(found) - damagesShown; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	d.add(finding{
		Check: "damage", Severity: problem, Bus: i.Name,
		Text:   fmt.Sprintf("bus %s: its segment holds values that no correct program wrote: %s", i.Name, strings.Join(text, "; ")),
		Advice: "find out which program writes to it, a faulty client or one of another version; end its clients, remove the bus, and make it again", Command: d.busd(i, "rm", "--force"),
	})
}

// checkBooks audits the slots if nobody publishes for a moment: only then is the count exact.
func (d *doctor) checkBooks(i bus.Entry, o *bus.Observer) {
	for range 5 {
		before, err := o.Snapshot()
		if err != nil {
			return
		}
		first, err1 := inspect.Audit(i.ShmID)
		if cli.Sleep(d.ctx, 10*time.Millisecond) != nil {
			return
		}
		second, err2 := inspect.Audit(i.ShmID)
		after, err := o.Snapshot()
		if errors.Join(err, err1, err2) != nil {
			return
		}
		if before.Head != after.Head {
			continue
		}
		if !first.Balanced() && !second.Balanced() {
			d.add(finding{
				Check: "slot-books", Severity: problem, Bus: i.Name,
				Text: fmt.Sprintf("bus %s: of %d slots %d are in the ring, %d owned, %d unsettled; %d found twice, %d missing",
					i.Name, second.Total, second.Ring, second.Owned, second.Unsettled, len(second.Twice), len(second.Missing)),
				Advice: "please report what happened before; end its clients, remove the bus, and make it again", Command: d.busd(i, "rm", "--force"),
			})
		}
		return
	}
	d.add(finding{Check: "slot-books", Severity: info, Bus: i.Name, Text: fmt.Sprintf("bus %s: the slots were not counted, because it is in use", i.Name)})
}

func (d *doctor) checkPermissions(i bus.Entry) {
	file, err := os.Stat(i.Path)
	if err != nil {
		return
	}
	shm, err := sysvshm.FromID(i.ShmID).Stat()
	if err != nil {
		return
	}
	sem, err := sysvsem.FromID(i.SemID).Stat()
	if err != nil {
		return
	}
	// The key file is writable by its owner only.
	const used, shared = 0o666, 0o022
	fileUID, fileGID := linux.Owner(file)
	want := file.Mode().Perm()&used&^shared | shm.Mode&sem.Mode&shared
	if shm.Mode&used == want && sem.Mode&used == want && shm.UID == fileUID && sem.UID == fileUID && shm.GID == sem.GID && shm.GID == fileGID {
		return
	}
	show := func(mode fs.FileMode, uid, gid int) string {
		return fmt.Sprintf("%04o of %d:%d", mode.Perm(), uid, gid)
	}
	f := finding{
		Check: "permissions", Severity: problem, Bus: i.Name,
		Text: fmt.Sprintf("bus %s: the key file has mode %s, the segment %s, the semaphores %s", i.Name,
			show(file.Mode(), fileUID, fileGID), show(shm.Mode, shm.UID, shm.GID), show(sem.Mode, sem.UID, sem.GID)),
		Advice: fmt.Sprintf("give segment and semaphores what %s has", i.Path), Command: d.fixCommand(i),
		fix: func() error {
			return errors.Join(
				sysvshm.FromID(i.ShmID).SetPerm(fileUID, fileGID, want),
				sysvsem.FromID(i.SemID).SetPerm(fileUID, fileGID, want))
		},
	}
	// If the owner of the key file has nothing to do with the bus, the bus must not get its
	// permissions.
	if fileUID != 0 && fileUID != shm.UID && fileUID != shm.CUID {
		f.fix = nil
		f.Advice, f.Command = fmt.Sprintf("%s does not belong to the bus's owner: find out why, and give it back, as root", i.Path), fmt.Sprintf("chown %d:%d %s", shm.UID, shm.GID, quote(i.Path))
	} else if d.uid != 0 && d.uid != shm.UID && d.uid != shm.CUID {
		f.Advice, f.Command, f.fix = fmt.Sprintf("run busd doctor --fix as user %d or as root", shm.UID), "", nil
	}
	d.add(f)
}

func (d *doctor) checkDaemon(i bus.Entry, s bus.Snapshot) {
	text := "no busd serves it; clients handle deaths themselves"
	if daemons := otherDaemons(s, 0); len(daemons) > 0 {
		var pids []string
		for _, c := range daemons {
			pids = append(pids, fmt.Sprint(c.Pid))
		}
		text = "served by busd, pid " + strings.Join(pids, ", ")
	}
	d.add(finding{Check: "busd", Severity: info, Bus: i.Name, Text: fmt.Sprintf("bus %s: %s", i.Name, text)})
}
