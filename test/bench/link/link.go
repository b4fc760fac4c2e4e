// Package link makes workers of transports that carry whole messages, one call each: the roles send
// and recv (one way, as many as there are) and ping and pong (there and back, one at a time).
//
// The loops call the transport through an interface, some 2 ns a message: nothing beside a system
// call, and not for use with transports that make none.
package link

import "shmbus/test/bench/worker"

// Roles of a link.
const (
	Send = "send"
	Recv = "recv"
	Ping = "ping"
	Pong = "pong"
)

// A Link is one worker's end of a transport. Close may be called at any time, from another
// goroutine, and more than once: it removes what the link made, and what it leaves open ends with
// the process.
type Link interface {
	Send(b []byte) error   // one message; b is the caller's again afterwards
	Recv() ([]byte, error) // the next message, valid until the next call
	Close() error
}

// A Connecter is a Link that waits for the other end when the first run begins, so that workers can
// be started in any order.
type Connecter interface{ Connect() error }

// A Flusher is a Link that holds messages back until there are more, or Flush is called at the end
// of a run.
type Flusher interface{ Flush() error }

// An Open sets up the end of a link for a role. Send and ping come from one side, recv and pong are
// the other; ping and pong both send and receive.
type Open func(role string, p worker.Params) (Link, error)

// Listens reports whether the role is that of the side that makes the meeting point, where there is
// such a side.
func Listens(role string) bool { return role == Recv || role == Pong }

// Register registers a contender in the four roles.
func Register(contender string, open Open) {
	RegisterOneWay(contender, open)
	RegisterRoundTrip(contender, open)
}

// RegisterOneWay registers a contender as send and recv.
func RegisterOneWay(contender string, open Open) {
	register(contender, Send, open, func(e *end) worker.Runner { return &sender{e} })
	register(contender, Recv, open, func(e *end) worker.Runner { return &receiver{e} })
}

// RegisterRoundTrip registers a contender as ping and pong.
func RegisterRoundTrip(contender string, open Open) {
	register(contender, Ping, open, func(e *end) worker.Runner { return &pinger{e} })
	register(contender, Pong, open, func(e *end) worker.Runner { return &ponger{e} })
}

func register(contender, role string, open Open, runner func(*end) worker.Runner) {
	worker.Register(contender, role, func(p worker.Params) (worker.Runner, error) {
		e, err := newEnd(p)
		if err != nil {
			return nil, err
		}
		if e.link, err = open(role, p); err != nil {
			return nil, err
		}
		return runner(e), nil
	})
}
