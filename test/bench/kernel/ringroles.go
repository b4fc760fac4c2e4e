package kernel

import (
	"errors"
	"fmt"

	"shmbus/internal/fence"
	"shmbus/internal/testload"
	"shmbus/layout"
	"shmbus/ring"
	"shmbus/test/bench/link"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// gather is how many pauses a publisher at the edge of a full ring lets pass before it looks at the
// reader's cursor again: each look takes the cursor's cache line away from the reader.
const gather = 32

func (r *ringfile) send() error {
	payload.Stamp(r.buf, r.next)
	r.next++
	r.pub.Fill(0, r.buf)
	for {
		switch r.pub.Exchange(r.info, 0) {
		case ring.Done:
			return nil
		case ring.Limit:
			r.pub.Rescan()
			if r.pub.Remaining() < uint64(r.slots/16) {
				for range gather {
					fence.Pause()
				}
				r.pub.Rescan()
			}
		default:
			return ring.ErrCorrupt
		}
	}
}

func (r *ringfile) recv() error {
	e, st := r.cursor.Peek()
	for st == ring.Empty {
		for range r.rest {
			fence.Pause()
		}
		e, st = r.cursor.Peek()
	}
	if st == ring.Done {
		var info layout.FrameInfo
		var b []byte
		if info, b, st = r.cursor.View(e); st == ring.Done {
			r.got.Take(b)
			st = r.cursor.Valid(e, info)
		}
	}
	if st != ring.Done {
		return fmt.Errorf("position %d: status %d", r.cursor.Next(), st)
	}
	r.cursor.Advance()
	return nil
}

func (r *ringfile) Run(n int) (worker.Report, error) {
	if err := r.connect(); err != nil {
		return worker.Report{}, err
	}
	r.got.Bad = 0
	rep := worker.Report{}
	if r.role == link.Ping {
		rep.Samples = worker.NewSamples(n)
	}
	rep.Start = testload.Now()
	var err error
	switch r.role {
	case link.Send:
		for i := 0; i < n && err == nil; i++ {
			err = r.send()
		}
	case link.Recv:
		for i := 0; i < n && err == nil; i++ {
			err = r.recv()
		}
	case link.Pong:
		for i := 0; i < n && err == nil; i++ {
			if err = r.recv(); err == nil {
				err = r.send()
			}
		}
	case link.Ping:
		err = r.pings(&rep)
	}
	rep.Bad = r.got.Bad
	return rep, err
}

func (r *ringfile) pings(rep *worker.Report) error {
	last := rep.Start
	for i := range rep.Samples {
		if err := errors.Join(r.send(), r.recv()); err != nil {
			return err
		}
		now := testload.Now()
		rep.Samples[i] = worker.Sample(now - last)
		last = now
	}
	return nil
}
