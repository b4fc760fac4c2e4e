package main

import (
	"fmt"
	"io/fs"
	"math"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// A spec says how a bus is made and kept. The zero value is not a valid spec: see defaultSpec.
type spec struct {
	Name string

	Slots, SlotSize, Topics, Publishers, Subscribers, Clients, MaxFrame cli.Size // -1: the bus's default

	Mode         modeValue
	Group        groupValue
	RemoveOnExit bool
	OnRemoved    onRemoved
}

func defaultSpec() spec {
	return spec{
		Slots: -1, SlotSize: -1, Topics: -1, Publishers: -1, Subscribers: -1, Clients: -1, MaxFrame: -1,
		Mode: -1, Group: -1, OnRemoved: removedExit,
	}
}

// flags defines the flags of a spec. They are also the keys of a configuration file.
func (s *spec) flags(fs *pflag.FlagSet) {
	s.makeFlags(fs)
	fs.BoolVar(&s.RemoveOnExit, "remove-on-exit", s.RemoveOnExit, "remove the bus when busd ends by SIGTERM or SIGINT, instead of leaving it")
	fs.Var(&s.OnRemoved, "on-removed", "what to do when somebody else removes the bus: exit or recreate")
}

// makeFlags defines the flags that say how the bus is made, not how it is kept.
func (s *spec) makeFlags(fs *pflag.FlagSet) {
	d, _ := bus.NewSizes()
	size := func(v *cli.Size, name, usage string, deflt int) {
		fs.Var(v, name, fmt.Sprintf("%s (default %s)", usage, cli.Size(deflt)))
	}
	size(&s.Slots, "slots", "slots of the ring, a power of two: the number of messages held that fit a slot each", d.Slots)
	size(&s.SlotSize, "slot-size", "bytes of a slot, a multiple of 64, of which 16 are the frame header; larger frames take several slots", d.SlotSize)
	size(&s.Topics, "topics", "topics that there can ever be", d.Topics)
	size(&s.Publishers, "publishers", "publishers at a time", d.Publishers)
	size(&s.Subscribers, "subscribers", "subscriptions at a time, rounded up to a multiple of 64", d.Subscribers)
	fs.Var(&s.Clients, "clients", "handles open at a time, usually one for each process (default publishers + subscribers + 32)")
	fs.Var(&s.MaxFrame, "max-frame", "bytes of the largest message (default what half the ring carries, 16M at most)")
	fs.Var(&s.Mode, "mode", "permission bits of the bus: publishing and subscribing need rw, observing needs r (default 0600)")
	fs.Var(&s.Group, "group", "group of a new bus, by name or number (default that of a new file in the folder of key files)")
}

// sizes returns the sizes by the names of their flags.
func (s spec) sizes() map[string]cli.Size {
	return map[string]cli.Size{
		"slots": s.Slots, "slot-size": s.SlotSize, "topics": s.Topics, "publishers": s.Publishers,
		"subscribers": s.Subscribers, "clients": s.Clients, "max-frame": s.MaxFrame,
	}
}

// check refuses a spec that Create would refuse, without looking at the host. It does so even if
// the bus exists, because the bus may have to be made again.
func (s spec) check() error {
	for name, v := range s.sizes() {
		if v > math.MaxInt32 {
			return fmt.Errorf("%s %s is too large", name, v)
		}
	}
	if s.Group >= 0 && s.mode()&0o060 == 0 {
		return fmt.Errorf("mode %04o gives group %v no access: use --mode 0660, or 0640 to observe only", s.mode(), s.Group)
	}
	if s.mode()&0o600 != 0o600 {
		return fmt.Errorf("mode %04o keeps the bus from its owner, busd: use --mode 0600 or more", s.mode())
	}
	_, err := bus.NewSizes(s.options()...)
	return err
}

// String describes the bus that a spec makes.
func (s spec) String() string {
	g, err := bus.NewSizes(s.options()...)
	if err != nil {
		return fmt.Sprintf("%s: %v", s.Name, err)
	}
	text := fmt.Sprintf("%s: %s, mode %04o", s.Name, describeSizes(g), s.mode())
	if s.Group >= 0 {
		text += fmt.Sprintf(", group %v", s.Group)
	}
	if list := s.adjusted(); len(list) > 0 {
		text += " (" + strings.Join(list, ", ") + ")"
	}
	return text
}

// describeSizes describes the size of a bus.
func describeSizes(g bus.Sizes) string {
	return fmt.Sprintf("%s of %s, a segment of %s; at a time %s, %s, %s",
		cli.Plural(g.Slots, "slot"), cli.Plural(g.SlotSize, "byte"), cli.Bytes(uint64(g.Segment)),
		cli.Plural(g.Publishers, "publisher"), cli.Plural(g.Subscribers, "subscription"), cli.Plural(g.Clients, "client"))
}

// adjusted lists the sizes of a bus that differ from those asked for.
func (s spec) adjusted() []string {
	g, err := bus.NewSizes(s.options()...)
	if err != nil {
		return nil
	}
	var list []string
	for name, asked := range s.sizes() {
		if gets := sizeOf(g, name); asked >= 0 && gets != asked {
			list = append(list, fmt.Sprintf("%s %s becomes %s", name, asked, gets))
		}
	}
	slices.Sort(list)
	return list
}

// options returns the options for Create.
func (s spec) options() []bus.Option {
	opts := []bus.Option{bus.WithMode(s.mode()), bus.WithOwner(-1, int(s.Group))}
	for _, o := range []struct {
		size cli.Size
		with func(int) bus.Option
	}{
		{s.Slots, bus.WithSlots}, {s.SlotSize, bus.WithSlotSize}, {s.Topics, bus.WithTopics},
		{s.Publishers, bus.WithPublishers}, {s.Subscribers, bus.WithSubscribers}, {s.Clients, bus.WithClients}, {s.MaxFrame, bus.WithMaxFrame},
	} {
		if o.size >= 0 {
			opts = append(opts, o.with(int(o.size)))
		}
	}
	return opts
}

// mode returns the permission bits of a bus that is made.
func (s spec) mode() fs.FileMode {
	if s.Mode < 0 {
		return 0o600
	}
	return fs.FileMode(s.Mode)
}

// permissions lists the mode and group that were asked for and that an existing bus does not have.
func (s spec) permissions(has bus.Snapshot) []string {
	var list []string
	if s.Mode >= 0 && bus.Mode(s.mode()) != has.Mode {
		list = append(list, fmt.Sprintf("mode %04o instead of %v", has.Mode, s.Mode))
	}
	if s.Group >= 0 && int(s.Group) != has.GID {
		list = append(list, fmt.Sprintf("group %s instead of %s", groupName(has.GID), groupName(int(s.Group))))
	}
	return list
}

// differs lists the sizes that were asked for and that an existing bus does not have.
func (s spec) differs(have bus.Sizes) []string {
	wanted, err := bus.NewSizes(s.options()...)
	if err != nil {
		return nil
	}
	var list []string
	for name, asked := range s.sizes() {
		if want, has := sizeOf(wanted, name), sizeOf(have, name); asked >= 0 && want != has {
			list = append(list, fmt.Sprintf("%s %s instead of %s", name, has, want))
		}
	}
	slices.Sort(list)
	return list
}

// sizeOf returns the size that the flag of the given name sets.
func sizeOf(g bus.Sizes, name string) cli.Size {
	return cli.Size(map[string]int{
		"slots": g.Slots, "slot-size": g.SlotSize, "topics": g.Topics, "publishers": g.Publishers,
		"subscribers": g.Subscribers, "clients": g.Clients, "max-frame": g.MaxFrame,
	}[name])
}

// modeValue is a flag's value of permission bits, written in octal; -1 is none.
type modeValue int

func (m *modeValue) Set(s string) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || v > 0o777 {
		return fmt.Errorf("%q is not a mode: use octal permission bits, as in 0660", s)
	}
	*m = modeValue(v)
	return nil
}
func (m modeValue) String() string {
	if m < 0 {
		return ""
	}
	return fmt.Sprintf("%04o", int(m))
}
func (m modeValue) Type() string { return "OCTAL" }

// groupValue is a flag's value of a group, by its number; -1 is none.
type groupValue int

func (g *groupValue) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		found, lookupErr := user.LookupGroup(s)
		if lookupErr != nil {
			return fmt.Errorf("%q is neither a group in /etc/group nor a number: give a group "+
				"that is defined elsewhere by its number", s)
		}
		if n, err = strconv.ParseUint(found.Gid, 10, 31); err != nil {
			return err
		}
	}
	*g = groupValue(n)
	return nil
}

func (g groupValue) String() string {
	if g < 0 {
		return ""
	}
	return strconv.Itoa(int(g))
}
func (g groupValue) Type() string { return "GROUP" }

// onRemoved is what busd does when another process removes its bus.
type onRemoved string

const (
	removedExit     onRemoved = "exit"
	removedRecreate onRemoved = "recreate"
)

func (o *onRemoved) Set(s string) error {
	choices := []onRemoved{removedExit, removedRecreate}
	if !slices.Contains(choices, onRemoved(s)) {
		return fmt.Errorf("%q is neither exit nor recreate", s)
	}
	*o = onRemoved(s)
	return nil
}
func (o onRemoved) String() string { return string(o) }
func (o onRemoved) Type() string   { return "exit|recreate" }

var (
	_ pflag.Value = (*modeValue)(nil)
	_ pflag.Value = (*groupValue)(nil)
	_ pflag.Value = (*onRemoved)(nil)
	_ pflag.Value = (*cli.Size)(nil)
)
