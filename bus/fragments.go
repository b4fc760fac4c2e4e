package bus

import (
	"slices"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// An assembly collects the fragments of one frame.
type assembly struct {
	total  int    // bytes announced by each fragment
	next   uint32 // number of the next fragment
	first  uint64 // position of the first fragment
	slots  uint64 // positions consumed so far
	missed uint64 // positions lost since it began, some of which may belong to this frame
	buf    []byte
}

// A debt counts positions that were read but delivered nothing, because other fragments of their
// frame were lost. They are reported as lost.
type debt struct {
	from  uint64 // the first position
	count uint64
}

// A collector assembles frames from fragments, one frame at a time for each publisher. It also
// accounts for frames that a loss has broken. Every position is delivered, or counted as lost, or
// belongs to a frame that its publisher gave up.
type collector struct {
	max   int
	of    []gathering // by publisher, up to the highest from which a fragment came
	open  int         // publishers with an unfinished frame
	owing int         // publishers with a debt
	spare []*assembly
	stray []byte // data of a fragment that continues no frame
	lossy bool   // positions were lost: a fragment without a beginning is lost, too
}

// A gathering is the state of the frames of one publisher.
type gathering struct {
	frame *assembly // the unfinished frame; nil if there is none
	owed  debt      // for broken frames
}

func newCollector(max int) collector { return collector{max: max} }

// pending reports whether any publisher's frame is unfinished or broken.
func (c *collector) pending() bool { return c.open+c.owing > 0 }

// unfinished returns the publisher's unfinished frame, or nil if it has none.
func (c *collector) unfinished(pub uint16) *assembly {
	if int(pub) < len(c.of) {
		return c.of[pub].frame
	}
	return nil
}

// publisher returns the state of a publisher's frames; the caller may change it.
func (c *collector) publisher(pub uint16) *gathering {
	if n := int(pub) + 1; n > len(c.of) {
		c.of = append(c.of, make([]gathering, n-len(c.of))...)
	}
	return &c.of[pub]
}

func (c *collector) begin(pub uint16, a *assembly) {
	c.publisher(pub).frame = a
	c.open++
}

func (c *collector) end(pub uint16) {
	c.of[pub].frame = nil
	c.open--
}

// lost notes that n positions were lost.
//
// A later fragment with the expected number may belong to another frame of the same size, if the
// end of this frame and the beginning of the other one are among the lost positions. So a frame
// continues only if fewer positions were lost than it has taken: the beginning of the other frame
// takes as many.
func (c *collector) lost(n uint64) {
	c.lossy = true
	if c.open == 0 {
		return
	}
	for pub := range c.of {
		if a := c.of[pub].frame; a != nil {
			if a.missed += n; a.missed >= a.slots {
				c.abandon(uint16(pub))
			}
		}
	}
}

// room returns n bytes for the data of a fragment. If the fragment continues a frame, they are at
// the end of that frame.
func (c *collector) room(info layout.FrameInfo, prefix uint64, n int) []byte {
	if a := c.unfinished(info.Publisher()); a != nil && info.Flags()&layout.FlagFirst == 0 &&
		a.goesOnWith(prefix, n) {
		a.buf = slices.Grow(a.buf, n)
		return a.buf[len(a.buf) : len(a.buf)+n]
	}
	c.stray = slices.Grow(c.stray[:0], n)
	return c.stray[:n]
}

// goesOnWith reports whether n bytes of a fragment with the given prefix are the next of the frame.
func (a *assembly) goesOnWith(prefix uint64, n int) bool {
	return a.next == uint32(prefix>>32) && a.total == int(uint32(prefix)) && len(a.buf)+n <= a.total
}

// add takes a fragment whose data is in the memory that room returned. If the frame is complete,
// add returns its assembly, which is valid until release. owed is the debt of a broken frame whose
// positions are now known to be lost. The fragment itself is taken in any case.
func (c *collector) add(position uint64, info layout.FrameInfo, prefix uint64,
	data []byte) (a *assembly, owed debt) {
	pub, flags := info.Publisher(), info.Flags()
	if len(data) == 0 {
		return nil, debt{}
	}
	total, index := int(uint32(prefix)), uint32(prefix>>32)
	a = c.unfinished(pub)
	switch {
	case flags&layout.FlagFirst != 0:
		// The publisher gave an unfinished frame up, because it died or its context ended, or a
		// loss has broken the frame.
		owed = c.settle(pub)
		if index != 0 || total > c.max || total <= 0 {
			return nil, owed
		}
		a = c.fresh()
		a.total, a.first = total, position
		c.begin(pub, a)
	case a == nil || !a.goesOnWith(prefix, len(data)):
		c.abandon(pub)
		if c.lossy {
			c.owe(pub, position, 1)
		}
		if flags&layout.FlagLast != 0 {
			owed = c.settle(pub)
		}
		return nil, owed
	}
	a.next++
	a.slots++
	if end := a.buf[len(a.buf):cap(a.buf)]; segment.SameStart(data, end) {
		a.buf = a.buf[:len(a.buf)+len(data)]
	} else {
		a.buf = append(a.buf, data...)
	}
	if flags&layout.FlagLast == 0 {
		return nil, owed
	}
	c.end(pub)
	if len(a.buf) != a.total {
		c.release(a)
		return nil, owed
	}
	return a, owed
}

func (c *collector) owe(pub uint16, from, count uint64) {
	d := &c.publisher(pub).owed
	if d.count == 0 {
		d.from = from
		c.owing++
	}
	d.count += count
}

// abandon drops the unfinished frame of a publisher. If positions were lost since it began, its
// positions become a debt; otherwise its publisher gave it up, and nothing was lost.
func (c *collector) abandon(pub uint16) {
	a := c.unfinished(pub)
	if a == nil {
		return
	}
	c.end(pub)
	if a.missed > 0 {
		c.owe(pub, a.first, a.slots)
	}
	c.release(a)
}

// settle drops the unfinished frame of a publisher. It returns and clears the debt for that frame
// and for earlier ones.
func (c *collector) settle(pub uint16) debt {
	c.abandon(pub)
	if int(pub) >= len(c.of) || c.of[pub].owed.count == 0 {
		return debt{}
	}
	d := c.of[pub].owed
	c.of[pub].owed = debt{}
	c.owing--
	return d
}

// release gives an assembly back, so that later frames use its buffer.
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
