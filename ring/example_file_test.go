//go:build unix

package ring_test

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"shmbus/layout"
	"shmbus/ring"
)

// Processes share a ring through a file that they map. Here one process maps the file again and
// again, as four processes would: one makes the ring, two publish, and the last reads when the
// others have ended. The whole ring is in the file; the reader does not even need to write to it.
//
// The ring leaves to its users what a bus does for them. All processes know the geometry. They
// agree which of them uses which publisher record; another process may use it only when its owner
// is known to be dead. A reader that waits for messages polls. For reliable readers and for streams
// of 2^31 laps or more, see the package documentation.
func Example_mappedFile() {
	dir := must(os.MkdirTemp("", "ring"))
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "messages")
	m := must(layout.NewMap(small))

	// The file gets its name when the ring is complete, so no process opens half a ring.
	f := must(os.Create(path + ".new"))
	if err := f.Truncate(int64(m.Size)); err != nil {
		panic(err)
	}
	f.Close()
	withRing(path+".new", m, unix.PROT_READ|unix.PROT_WRITE, (*ring.Ring).Format)
	if err := os.Rename(path+".new", path); err != nil {
		panic(err)
	}

	withRing(path, m, unix.PROT_READ|unix.PROT_WRITE, func(r *ring.Ring) {
		send(must(r.Publisher(0)), "from the first process")
	})
	withRing(path, m, unix.PROT_READ|unix.PROT_WRITE, func(r *ring.Ring) {
		send(must(r.Publisher(1)), "from the second process")
	})
	withRing(path, m, unix.PROT_READ, func(r *ring.Ring) {
		c := r.Reader(ring.FromOldest())
		buf := make([]byte, m.Geometry.SlotPayload())
		for {
			e, st := c.Peek()
			if st != ring.Done {
				fmt.Println("and no more messages:", st == ring.Empty)
				return
			}
			_, n, st := c.Read(e, buf)
			if st != ring.Done {
				return // overwritten or corrupt
			}
			fmt.Printf("%d: %s\n", c.Next(), buf[:n])
			c.Advance()
		}
	})
	// Output:
	// 0: from the first process
	// 1: from the second process
	// and no more messages: true
}

// withRing calls use with the ring in a file, mapped with the given protection.
func withRing(path string, m layout.Map, protection int, use func(*ring.Ring)) {
	flag := os.O_RDONLY
	if protection&unix.PROT_WRITE != 0 {
		flag = os.O_RDWR
	}
	f := must(os.OpenFile(path, flag, 0))
	defer f.Close()
	mem := must(unix.Mmap(int(f.Fd()), 0, m.Size, protection, unix.MAP_SHARED))
	defer unix.Munmap(mem)
	use(must(ring.New(mem, m)))
}
