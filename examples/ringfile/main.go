//go:build linux

// Command ringfile is a flight recorder: programs write lines into a ring in a file, each line with
// one compare-and-swap and no system call, and the last 1,024 lines are there when the programs are
// not, however they ended. It uses package ring alone, without a bus.
//
//	program1 | ringfile write FILE &
//	program2 | ringfile write FILE &
//	ringfile read FILE               # at any time, also afterwards
//
// The file is shared by mapping it. What is in it survives the processes, and a reboot only as far
// as the kernel had written it to the disk.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/layout"
	"shmbus/ring"
)

// Both sides know the sizes. Four programs can write at a time.
var geometry = layout.Geometry{
	Slots: 1024, SlotSize: 256, Owned: 4, Publishers: 4,
	Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 240,
}

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		log.Fatalf("ringfile: %v", err)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("use write FILE or read FILE")
	}
	m, err := layout.NewMap(geometry)
	if err != nil {
		return err
	}
	switch args[0] {
	case "write":
		return write(args[1], m, stdin)
	case "read":
		return read(args[1], m, stdout)
	}
	return fmt.Errorf("%q is neither write nor read", args[0])
}

// write publishes the lines of its input.
func write(path string, m layout.Map, lines io.Reader) error {
	if err := create(path, m); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := mapped(f, m, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return err
	}
	p, err := publisher(f, r)
	if err != nil {
		return err
	}
	for in := bufio.NewScanner(lines); in.Scan(); {
		line := in.Bytes()
		line = line[:min(len(line), m.Geometry.SlotPayload())]
		p.Fill(0, line)
		info := layout.MakeFrameInfo(len(line), layout.FlagWhole, uint16(p.Index()), 0)
		st := p.Exchange(info, 0)
		for ; st == ring.Limit; st = p.Exchange(info, 0) {
			p.Rescan() // nobody reads reliably here, so there is always room
		}
		if st != ring.Done {
			return fmt.Errorf("%s: %w", path, ring.ErrCorrupt)
		}
	}
	return nil
}

// publisher returns a publisher with a record that nobody else has: package ring leaves it to its
// users who that is. Here it is who has the lock of one byte of the file, which the kernel gives
// back when a process ends. What a killed process left half done, the next owner of its record
// settles.
func publisher(f *os.File, r *ring.Ring) (*ring.Publisher, error) {
	for i := range geometry.Publishers {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(i), Len: 1}
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		if errors.Is(err, unix.EAGAIN) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		p, err := r.Publisher(i)
		if errors.Is(err, ring.ErrUnsettled) {
			continue // this takes until others have published more
		}
		return p, err
	}
	return nil, fmt.Errorf("%s has %d writers already", f.Name(), geometry.Publishers)
}

// read prints what the ring holds. It maps the file so that it cannot change anything.
func read(path string, m layout.Map, w io.Writer) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := mapped(f, m, unix.PROT_READ)
	if err != nil {
		return err
	}
	c := r.Reader(ring.FromOldest())
	payload := make([]byte, m.Geometry.SlotPayload())
	for {
		e, st := c.Peek()
		var info layout.FrameInfo
		var n int
		if st == ring.Done {
			info, n, st = c.Read(e, payload)
		}
		switch st {
		case ring.Done:
			fmt.Fprintf(w, "%d writer %d: %s\n", c.Next(), info.Publisher(), payload[:n])
			c.Advance()
		case ring.Empty:
			return nil
		case ring.Lapped: // while it was printing, if somebody still writes
			from, to := c.Jump()
			fmt.Fprintf(w, "%d lines were overwritten\n", to-from)
		default:
			return fmt.Errorf("%s: %w", path, ring.ErrCorrupt)
		}
	}
}

// mapped returns the ring in a file.
func mapped(f *os.File, m layout.Map, protection int) (*ring.Ring, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() != int64(m.Size) {
		return nil, fmt.Errorf("%s has %d bytes and is no ring file of this program: those have %d",
			f.Name(), st.Size(), m.Size)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, m.Size, protection, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	return ring.New(mem, m) // the mapping lasts as long as the process
}

// create makes the file, unless it exists. It gets its name when it is complete.
func create(path string, m layout.Map) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ringfile-")
	if err != nil {
		return err
	}
	defer f.Close()
	defer os.Remove(f.Name())
	if err := f.Truncate(int64(m.Size)); err != nil {
		return err
	}
	r, err := mapped(f, m, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return err
	}
	r.Format()
	if err := os.Link(f.Name(), path); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // somebody else was faster
}
