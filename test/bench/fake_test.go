package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"shmbus/test/bench/link"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// fake is a transport over a socket that does, once in a while, what a broken bus would do; fault=
// says what.
type fake struct {
	fault    string
	listener net.Listener
	conn     net.Conn
	in       []byte
	kept     []byte // the message before, or one that is held back
	n        int
}

// faultAt is how often the fault is: not a multiple of how often a message is checked whole.
const faultAt = 101

func init() {
	link.RegisterOneWay("fake", openFake)
	worker.Register("dozes", "tick", func(worker.Params) (worker.Runner, error) { return dozing{}, nil })
	worker.Register("dozes", "wake", func(p worker.Params) (worker.Runner, error) { return dozing{p.Int("sleeps", 0), 100}, nil })
	worker.Register("fails", "recv", func(p worker.Params) (worker.Runner, error) { return failing(p.String("how", "")), nil })
	worker.Register("fails", "send", func(worker.Params) (worker.Runner, error) { return failing(""), nil })
}

func openFake(role string, p worker.Params) (link.Link, error) {
	f := &fake{fault: p.String("fault", ""), in: make([]byte, p.Int("size", 48))}
	path := filepath.Join(p["dir"], "fake")
	var err error
	if link.Listens(role) {
		f.listener, err = net.Listen("unix", path)
	} else {
		f.conn, err = net.Dial("unix", path)
	}
	return f, err
}

func (f *fake) Connect() (err error) {
	if f.conn == nil {
		f.conn, err = f.listener.Accept()
	}
	return err
}

func (f *fake) Send(b []byte) error {
	f.n++
	now := f.n%faultAt == 0
	switch {
	case f.fault == "drop" && now:
		return nil
	case f.fault == "duplicate" && now:
		if _, err := f.conn.Write(b); err != nil {
			return err
		}
	case f.fault == "reorder" && now:
		f.kept = bytes.Clone(b)
		return nil
	}
	_, err := f.conn.Write(b)
	if f.kept != nil {
		_, e := f.conn.Write(f.kept)
		err, f.kept = errors.Join(err, e), nil
	}
	return err
}

func (f *fake) Recv() ([]byte, error) {
	f.n++
	for got := 0; got < len(f.in); {
		n, err := f.conn.Read(f.in[got:])
		if err != nil {
			return nil, err
		}
		got += n
	}
	now := f.n%faultAt == 0
	switch f.fault {
	case "stale": // the payload is not copied: what was there stays
		if f.kept == nil {
			f.kept = bytes.Clone(f.in)
		}
		return f.kept, nil
	case "stale once":
		if now {
			return f.kept, nil
		}
		f.kept = bytes.Clone(f.in)
	case "half": // the second half is not copied
		if f.kept == nil {
			f.kept = payload.New(len(f.in))
		}
		copy(f.kept, f.in[:len(f.in)/2])
		return f.kept, nil
	case "lines": // only what is stamped is copied, nothing else of any line
		clean := make([]byte, len(f.in))
		for at := range clean {
			if at < 64 || at%64 < 8 || at >= len(clean)-8 {
				clean[at] = f.in[at]
			}
		}
		return clean, nil
	case "short":
		if now {
			return f.in[:len(f.in)-8], nil
		}
	case "torn": // a later message's words beside an earlier one's
		if now {
			f.in[len(f.in)-8]++
		}
	}
	return f.in, nil
}

func (f *fake) Close() error {
	if f.conn != nil {
		f.conn.Close()
	}
	if f.listener != nil {
		f.listener.Close()
	}
	return nil
}

// failing is a worker that fails in the way it is named.
type failing string

func (f failing) Run(n int) (worker.Report, error) {
	switch f {
	case "error":
		return worker.Report{}, errors.New("no more paper")
	case "exit":
		fmt.Fprintln(os.Stderr, "out of ink")
		os.Exit(3)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		select {}
	case "nonsense":
		fmt.Println("walked 7")
	case "lost":
		return worker.Report{Lost: 1}, nil
	case "backwards":
		return worker.Report{Start: 2, End: 1}, nil
	}
	return worker.Report{}, nil
}

func (f failing) Close() error { return nil }

// dozing is a worker that says that it slept before so many percent of the messages, and got them
// at that moment.
type dozing struct{ percent, moment int }

func (d dozing) Run(n int) (worker.Report, error) {
	slept := strconv.Itoa((n*d.percent + 99) / 100)
	return worker.Report{Samples: slices.Repeat([]uint32{uint32(d.moment)}, n), Other: worker.Params{"slept": slept}}, nil
}

func (d dozing) Close() error { return nil }
