package bus

import (
	"encoding/binary"

	"shmbus/layout"
)

// An assembly collects the fragments of one publisher's frame.
type assembly struct {
	total int    // bytes announced by the first fragment
	next  uint32 // number of the fragment that comes next
	first uint64 // position of the first fragment
	slots uint64 // positions consumed so far
	buf   []byte
}

// A collector puts frames together from fragments, one at a time for each publisher.
type collector struct {
	max    int
	open   map[uint16]*assembly
	spare  []*assembly
	orphan map[uint16]uint64 // positions of fragments whose frame is broken by a loss, by publisher
	lossy  bool              // something was lost: fragments without a beginning are losses, too
}

type collected uint8

const (
	incomplete collected = iota
	complete
	broken // the frame's other fragments were lost
	ignored
)

// add takes a fragment. With complete, the returned assembly holds the frame, until release. With broken, lost is
// how many positions of the frame were consumed for nothing.
func (c *collector) add(position uint64, info layout.FrameInfo, payload []byte) (a *assembly, lost uint64, st collected) {
	pub, flags := info.Publisher(), info.Flags()
	if len(payload) < layout.FragmentPrefix {
		return nil, 0, ignored
	}
	prefix := binary.LittleEndian.Uint64(payload)
	total, index := int(uint32(prefix)), uint32(prefix>>32)
	payload = payload[layout.FragmentPrefix:]
	a = c.open[pub]
	if flags&layout.FlagFirst != 0 {
		// What was there before was abandoned by a publisher that died or gave up, or is broken by a loss.
		lost = c.drop(pub)
		if index != 0 || total > c.max || total <= 0 {
			return nil, lost, ignored
		}
		a = c.fresh()
		a.total, a.first = total, position
		if c.open == nil {
			c.open = make(map[uint16]*assembly)
		}
		c.open[pub] = a
	} else if a == nil || a.next != index || a.total != total || len(a.buf)+len(payload) > a.total {
		lost = c.drop(pub)
		if c.lossy {
			lost++
			if flags&layout.FlagLast == 0 {
				c.orphans()[pub] += lost
				return nil, 0, ignored
			}
			lost += c.orphan[pub]
			delete(c.orphan, pub)
			return nil, lost, broken
		}
		return nil, 0, ignored
	}
	a.next++
	a.slots++
	a.buf = append(a.buf, payload...)
	if flags&layout.FlagLast == 0 {
		return nil, lost, incomplete
	}
	delete(c.open, pub)
	if len(a.buf) != a.total {
		c.spare = append(c.spare, a)
		return nil, lost, ignored
	}
	return a, lost, complete
}

func (c *collector) orphans() map[uint16]uint64 {
	if c.orphan == nil {
		c.orphan = make(map[uint16]uint64)
	}
	return c.orphan
}

// drop forgets the publisher's unfinished frame. It returns how many positions of it were lost by
// this subscriber: none, if the publisher abandoned it.
func (c *collector) drop(pub uint16) uint64 {
	lost := c.orphan[pub]
	delete(c.orphan, pub)
	a := c.open[pub]
	if a == nil {
		return lost
	}
	delete(c.open, pub)
	if c.lossy {
		lost += a.slots
	}
	c.release(a)
	return lost
}

// release gives an assembly's buffer back for the next frame; large ones are kept by one frame at most.
func (c *collector) release(a *assembly) {
	if len(c.spare) < 2 {
		c.spare = append(c.spare, a)
	}
}

func (c *collector) fresh() *assembly {
	n := len(c.spare)
	if n == 0 {
		return new(assembly)
	}
	a := c.spare[n-1]
	c.spare = c.spare[:n-1]
	*a = assembly{buf: a.buf[:0]}
	return a
}
