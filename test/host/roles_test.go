package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

var roles map[string]func()

func init() {
	roles = map[string]func(){
		"use":     useRole,
		"create":  createRole,
		"remove":  removeRole,
		"list":    listRole,
		"observe": observeRole,
		"echo":    echoRole,
		"hold":    holdRole,
		"flood":   floodRole,
		"limit":   limitRole,
		"starve":  starveRole,
		"filter":  filterRole,
		"foreign": foreignRole,
	}
}

// soon ends the calls of a worker long before its test gives up.
var soon context.Context

// useRole tries whatever can be done with a bus but removing it, and says what went wrong.
func useRole() {
	r := report{}
	b, err := bus.Open(busName)
	r["open"] = text(err)
	r["publish"], r["subscribe"] = r["open"], r["open"]
	if err == nil {
		r["publish"], r["subscribe"] = "", ""
		s, err := b.Subscribe("used", bus.Reliable())
		if err != nil {
			r["subscribe"] = text(err)
		}
		p, err := b.Publisher("used")
		if err == nil {
			err = p.PublishRaw(soon, []byte{1})
		}
		r["publish"] = text(err)
		if s != nil && err == nil {
			_, err = s.Next(soon)
			r["subscribe"] = text(err)
		}
		must(b.Close())
	}
	o, err := bus.Observe(busName)
	if err == nil {
		var s *bus.Subscription
		if s, err = o.Subscribe(">", bus.FromOldest()); err == nil {
			_, err = s.Next(soon)
		}
		must(o.Close())
	}
	r["observe"] = text(err)
	say(r)
}

// creation returns the options that the environment asks for.
func creation() []bus.Option {
	opts := []bus.Option{bus.WithSlots(64)}
	if s := os.Getenv("MODE"); s != "" {
		mode, err := strconv.ParseUint(s, 8, 32)
		must(err)
		opts = append(opts, bus.WithMode(os.FileMode(mode)))
	}
	if s := os.Getenv("OWNER"); s != "" {
		var uid, gid int
		_, err := fmt.Sscanf(s, "%d:%d", &uid, &gid)
		must(err)
		opts = append(opts, bus.WithOwner(uid, gid))
	}
	return opts
}

func createRole() {
	if s := os.Getenv("UMASK"); s != "" {
		mask, err := strconv.ParseUint(s, 8, 32)
		must(err)
		unix.Umask(int(mask))
	}
	b, err := bus.Create(busName, creation()...)
	if err == nil {
		p, err := b.Publisher("made")
		must(err)
		must(p.PublishRaw(soon, []byte{1}))
		must(b.Close())
	}
	say(report{"create": text(err)})
}

func removeRole() { say(report{"remove": text(bus.Remove(busName))}) }

func listRole() {
	infos, err := bus.List()
	names := []string{}
	for _, i := range infos {
		names = append(names, i.Name+" "+i.State)
	}
	say(report{"list": strings.Join(names, ","), "error": text(err)})
}

// observeRole looks at a bus, reports what it may do with the memory, and then each message.
func observeRole() {
	o, err := bus.Observe(busName)
	must(err)
	s, err := o.Subscribe(">", bus.FromOldest())
	must(err)
	maps, err := os.ReadFile("/proc/self/maps")
	must(err)
	var modes []string
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(f[5], "/SYSV") {
			modes = append(modes, f[1])
		}
	}
	snapshot, err := o.Snapshot()
	must(err)
	_, attach := sysvshm.FromID(snapshot.ShmID).Attach(sysvshm.ReadWrite)
	post := sysvsem.FromID(snapshot.SemID).TryOp([]sysvsem.Op{sysvsem.V(0)})
	say(report{"maps": strings.Join(modes, ","), "attach": text(attach), "post": text(post)})
	for {
		m, err := s.Next(soon)
		if errors.Is(err, bus.ErrLost) {
			continue
		}
		must(err)
		say(report{"topic": m.Topic, "raw": string(m.Raw)})
	}
}

// echoRole sends back on the topic echo.N what comes on ask, and says who it is.
func echoRole() {
	b, err := bus.Open(busName, bus.WithClientName("echo-"+os.Getenv("N")))
	must(err)
	s, err := b.Subscribe("ask")
	must(err)
	p, err := b.Publisher("echo." + os.Getenv("N"))
	must(err)
	say(report{"pid": strconv.Itoa(os.Getpid())})
	for {
		m, err := s.Next(context.Background())
		if errors.Is(err, bus.ErrLost) {
			continue
		}
		must(err)
		must(p.PublishRaw(context.Background(), m.Raw))
	}
}

// holdRole holds a gate closed and reads nothing.
func holdRole() {
	b, err := bus.Open(busName, bus.WithClientName("hold"))
	must(err)
	s, err := b.Subscribe("ask", bus.Reliable())
	must(err)
	say(report{"pid": strconv.Itoa(os.Getpid())})
	await()
	runtime.KeepAlive(s)
}

// floodRole fills the ring with large frames for ever.
func floodRole() {
	b, err := bus.Open(busName, bus.WithClientName("flood"))
	must(err)
	p, err := b.Publisher("flood")
	must(err)
	say(report{})
	await()
	frame := make([]byte, b.Geometry().SlotSize-64)
	for {
		must(p.PublishRaw(context.Background(), frame))
		time.Sleep(10 * time.Microsecond)
	}
}
