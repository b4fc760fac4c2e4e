package bus

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// A ClientEvent says that a client joined the bus, left it or died, as [Bus.WatchClients] reports
// it. A client is an open handle: a process has as many as it has opened.
type ClientEvent struct {
	Kind   ClientEventKind
	Client int    // number of its record; a later client may get the same record
	Pid    int    // in the client's own pid namespace
	Name   string // see WithClientName
	Daemon bool   // see WithDaemon
	At     time.Time
}

// A ClientEventKind says what a client did.
type ClientEventKind uint8

const (
	Joined ClientEventKind = iota // it opened the bus
	Left                          // it closed the bus
	Died                          // its process ended without closing the bus
)

func (k ClientEventKind) String() string {
	if k > Died {
		return fmt.Sprintf("ClientEventKind(%d)", uint8(k))
	}
	return [...]string{"joined", "left", "died"}[k]
}

// clientsPause is the time between two looks at the table of clients. The looks find those that
// join and leave: unlike a death, neither raises the death bell.
const clientsPause = 100 * time.Millisecond

// WatchClients calls f for each client that joins the bus, leaves it or dies, until ctx ends or the
// bus is closed or removed. It begins with a Joined event for each client that is there, this one
// included.
//
// Deaths are reported as soon as the kernel reports them, and the records of the dead are
// reclaimed, as by [Bus.WatchDeaths]. Joining and leaving are noticed within 100 ms, by ten short
// looks a second. A client that joins and leaves between two looks is not reported.
//
// The caller's goroutine makes all calls of f.
func (b *Bus) WatchClients(ctx context.Context, f func(ClientEvent)) error {
	const op = "watch clients of"
	if err := alive(ctx); err != nil {
		return b.fail(op, err)
	}
	if f == nil {
		return b.fail(op, fmt.Errorf("%w: the callback is nil", ErrInvalid))
	}
	if err := b.adopt(); err != nil {
		return b.fail(op, err)
	}
	defer b.unref()
	died, ended := make(chan struct{}, 1), make(chan error, 1)
	deaths, stop := context.WithCancel(ctx)
	go func() {
		ended <- b.watchDeaths(deaths, func(Death) {
			select {
			case died <- struct{}{}:
			default:
			}
		})
	}()
	over := false
	defer func() { // f may panic
		stop()
		if !over {
			<-ended
		}
	}()
	look := time.NewTicker(clientsPause)
	defer look.Stop()
	for seen := make(roll); ; {
		seen.call(b.seg, f)
		select {
		case <-look.C:
		case <-died:
		case err := <-ended:
			over = true
			return b.fail(op, err)
		}
	}
}

// A roll holds the clients that the last look found, by the number of the client record.
type roll map[int]attendee

type attendee struct {
	generation uint32
	deaths     uint64 // the record's ClientDied word
	event      ClientEvent
}

// call reports what has changed since the last call.
func (r roll) call(seg *segment.Segment, f func(ClientEvent)) {
	for c := range seg.High(layout.HeaderClientHigh, seg.Map.Geometry.Clients) {
		was, known := r[c]
		state, now := attendeeOf(seg, c)
		joined := state.State() == layout.ClientJoined
		same := known && state.Generation() == was.generation
		if same && joined || !known && !joined {
			continue
		}
		if known {
			// If the record has another owner by now, its count of deaths tells whether the client
			// left or died.
			was.event.Kind = Left
			if same && state.State() == layout.ClientDead || !same && now.deaths != was.deaths {
				was.event.Kind = Died
			}
			was.event.At = time.Now()
			delete(r, c)
			f(was.event)
		}
		if joined {
			r[c] = now
			f(now.event)
		}
	}
}

// attendeeOf returns the state of a client record, and its client if the state is joined.
func attendeeOf(s *segment.Segment, c int) (layout.ClientState, attendee) {
	for {
		state := s.ClientState(c)
		a := attendee{
			generation: state.Generation(),
			deaths:     atomic.LoadUint64(s.Client(c, layout.ClientDied)),
			event: ClientEvent{
				Kind: Joined, Client: c, At: time.Now(),
				Pid:    int(atomic.LoadUint64(s.Client(c, layout.ClientPid))),
				Name:   layout.CString(s.Text(s.Map.Clients.At(c)+layout.ClientName, layout.NameSize)),
				Daemon: atomic.LoadUint64(s.Client(c, layout.ClientFlags))&layout.ClientDaemon != 0,
			},
		}
		if s.ClientState(c) == state {
			return state, a
		}
	}
}
