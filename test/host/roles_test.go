//go:build linux

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
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

var roles testproc.Roles

func init() {
	roles = testproc.Roles{
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

// useRole tries whatever can be done with a bus but removing it, and says what went wrong.
func useRole(c *testproc.Child) {
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
		c.Check(b.Close())
	}
	o, err := bus.Observe(busName)
	if err == nil {
		var s *bus.Subscription
		if s, err = o.Subscribe(">", bus.FromOldest()); err == nil {
			_, err = s.Next(soon)
		}
		c.Check(o.Close())
	}
	r["observe"] = text(err)
	c.Say("report", r)
}

// creation returns the options that the environment asks for.
func creation(c *testproc.Child) []bus.Option {
	opts := []bus.Option{bus.WithSlots(64)}
	if s := os.Getenv("MODE"); s != "" {
		mode, err := strconv.ParseUint(s, 8, 32)
		c.Check(err)
		opts = append(opts, bus.WithMode(os.FileMode(mode)))
	}
	if s := os.Getenv("OWNER"); s != "" {
		var uid, gid int
		_, err := fmt.Sscanf(s, "%d:%d", &uid, &gid)
		c.Check(err)
		opts = append(opts, bus.WithOwner(uid, gid))
	}
	return opts
}

func createRole(c *testproc.Child) {
	if s := os.Getenv("UMASK"); s != "" {
		mask, err := strconv.ParseUint(s, 8, 32)
		c.Check(err)
		unix.Umask(int(mask))
	}
	b, err := bus.Create(busName, creation(c)...)
	if err == nil {
		p, err := b.Publisher("made")
		c.Check(err)
		c.Check(p.PublishRaw(soon, []byte{1}))
		c.Check(b.Close())
	}
	c.Say("report", report{"create": text(err)})
}

func removeRole(c *testproc.Child) { c.Say("report", report{"remove": text(bus.Remove(busName))}) }

func listRole(c *testproc.Child) {
	infos, err := bus.List()
	names := []string{}
	for _, i := range infos {
		names = append(names, i.Name+" "+i.State)
	}
	c.Say("report", report{"list": strings.Join(names, ","), "error": text(err)})
}

// observeRole looks at a bus, reports what it may do with the memory, and then each message.
func observeRole(c *testproc.Child) {
	o, err := bus.Observe(busName)
	c.Check(err)
	s, err := o.Subscribe(">", bus.FromOldest())
	c.Check(err)
	maps, err := os.ReadFile("/proc/self/maps")
	c.Check(err)
	var modes []string
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(f[5], "/SYSV") {
			modes = append(modes, f[1])
		}
	}
	snapshot, err := o.Snapshot()
	c.Check(err)
	_, attach := sysvshm.FromID(snapshot.ShmID).Attach(sysvshm.ReadWrite)
	post := sysvsem.FromID(snapshot.SemID).TryOp([]sysvsem.Op{sysvsem.V(0)})
	c.Say("report", report{"maps": strings.Join(modes, ","), "attach": text(attach), "post": text(post)})
	for {
		m, err := s.Next(soon)
		if errors.Is(err, bus.ErrLost) {
			continue
		}
		c.Check(err)
		c.Say("report", report{"topic": m.Topic, "raw": string(m.Raw)})
	}
}

// echoRole sends back on the topic echo.N what comes on ask, and says who it is.
func echoRole(c *testproc.Child) {
	b, err := bus.Open(busName, bus.WithClientName("echo-"+os.Getenv("N")))
	c.Check(err)
	s, err := b.Subscribe("ask")
	c.Check(err)
	p, err := b.Publisher("echo." + os.Getenv("N"))
	c.Check(err)
	c.Say("report", report{"pid": strconv.Itoa(os.Getpid())})
	for {
		m, err := s.Next(context.Background())
		if errors.Is(err, bus.ErrLost) {
			continue
		}
		c.Check(err)
		c.Check(p.PublishRaw(context.Background(), m.Raw))
	}
}

// holdRole holds a gate closed and reads nothing.
func holdRole(c *testproc.Child) {
	b, err := bus.Open(busName, bus.WithClientName("hold"))
	c.Check(err)
	s, err := b.Subscribe("ask", bus.Reliable())
	c.Check(err)
	c.Say("report", report{"pid": strconv.Itoa(os.Getpid())})
	c.Await("go")
	runtime.KeepAlive(s)
}

// floodRole fills the ring with large frames for ever.
func floodRole(c *testproc.Child) {
	b, err := bus.Open(busName, bus.WithClientName("flood"))
	c.Check(err)
	p, err := b.Publisher("flood")
	c.Check(err)
	c.Say("report", report{})
	c.Await("go")
	frame := make([]byte, b.Sizes().SlotSize-64)
	for {
		c.Check(p.PublishRaw(context.Background(), frame))
		time.Sleep(10 * time.Microsecond)
	}
}
