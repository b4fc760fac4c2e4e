package kernel

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/layout"
	"shmbus/ring"
	"shmbus/test/bench/link"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

func init() {
	for _, role := range []string{link.Send, link.Recv, link.Ping, link.Pong} {
		worker.Register("ringfile", role, func(p worker.Params) (worker.Runner, error) { return openRingfile(role, p) })
	}
}

// ringBytes bounds a ring, by having fewer slots of the large sizes, so that it stays in the cache.
const ringBytes = 8 << 20

// ringfile is the bus's exchange ring in a file that both workers map, without names, topics,
// records of clients or sleep: what the ring itself costs. Sender and receiver spin. The receiver
// is a reliable one and looks at messages in place. Round trips have a ring for each direction.
type ringfile struct {
	role        string
	size, slots int
	there, back string // the files
	pub         *ring.Publisher
	info        layout.FrameInfo
	cursor      *ring.Cursor
	buf         []byte
	next        uint64
	got         payload.Checker
	rest        int // pauses where there is nothing to read
}

func openRingfile(role string, p worker.Params) (*ringfile, error) {
	r := &ringfile{
		role: role, size: p.Int("size", 48), rest: 1,
		there: filepath.Join(p["dir"], "ring"), back: filepath.Join(p["dir"], "ring.back"),
	}
	if err := payload.Valid(r.size); err != nil {
		return nil, err
	}
	if role == link.Recv {
		// Behind a stream, cache lines move once, and full, if the reader does not look again at
		// once.
		r.rest = p.Int("gather", 64)
	}
	r.slots = p.Int("slots", min(layout.Default().Slots, max(8, ringBytes>>bits.Len(uint(r.slotSize()-1)))))
	r.buf, r.got = payload.New(r.size), payload.Checker{Size: r.size}
	var err error
	if role == link.Pong {
		err = r.create(r.back, r.write)
	}
	if err == nil && link.Listens(role) {
		err = r.create(r.there, r.read)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// connect opens what the other side has made.
func (r *ringfile) connect() error {
	if r.pub != nil || r.cursor != nil {
		return nil
	}
	err := link.UntilThere(func() error { return r.open(r.there, r.write) })
	if err == nil && r.role == link.Ping {
		err = r.open(r.back, r.read)
	}
	return err
}

// create makes a ring that has this side's reader or publisher before the file gets its name.
func (r *ringfile) create(path string, use func(*ring.Ring) error) error {
	m, err := r.layout()
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Truncate(path+".new", int64(m.Size))); err != nil {
		return err
	}
	err = r.open(path+".new", func(made *ring.Ring) error {
		made.Format()
		return use(made)
	})
	return errors.Join(err, os.Rename(path+".new", path))
}

func (r *ringfile) open(path string, use func(*ring.Ring) error) error {
	m, err := r.layout()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	mem, err := unix.Mmap(int(f.Fd()), 0, int(m.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("mmap of %s: %w", path, err)
	}
	opened, err := ring.New(mem, m)
	if err != nil {
		return err
	}
	return use(opened)
}

func (r *ringfile) slotSize() int { return (layout.FrameHeaderSize + r.size + 63) / 64 * 64 }

func (r *ringfile) layout() (layout.Map, error) {
	return layout.NewMap(layout.Geometry{
		Slots: r.slots, SlotSize: r.slotSize(), Owned: 8,
		Publishers: 1, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: r.size,
	})
}

func (r *ringfile) read(in *ring.Ring) error {
	r.cursor = in.Join(0, ring.FromNow(), true)
	return nil
}

func (r *ringfile) write(in *ring.Ring) (err error) {
	r.pub, err = in.Publisher(0)
	r.info = layout.MakeFrameInfo(r.size, layout.FlagWhole, 0, 0)
	return err
}

func (r *ringfile) Close() error { return errors.Join(link.Remove(r.there), link.Remove(r.back)) }
