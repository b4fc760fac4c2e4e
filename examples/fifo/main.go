// Command fifo carries messages through a FIFO (mkfifo), with their topics, from one bus to another
// that the first one's processes cannot reach: in another container, say, with which they share a
// folder and nothing else.
//
//	mkfifo /shared/pipe
//	fifo out -bus prices '>' /shared/pipe     # where the messages are
//	fifo in -bus prices /shared/pipe          # where they are to be
//
// Each message is a msgpack string, its topic, and then its own frame, so that it needs no length
// before it. The end that reads goes on as slowly as its bus does; then the FIFO is full, the end
// that writes waits, and publishers wait for its reliable subscription. When one end is closed or
// killed, the other ends: what was in the FIFO by then is lost.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/bus"
)

func main() {
	log.SetFlags(0)
	// A signal simply ends the program, also while it waits for the other end: the bus looks after
	// itself.
	if err := run(os.Args[1:]); err != nil {
		log.Fatalf("fifo: %v", err)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("fifo", flag.ContinueOnError)
	name := flags.String("bus", "prices", "name of the bus")
	if len(args) == 0 {
		return errors.New("out or in?")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	b, _, err := bus.OpenOrCreate(*name)
	if err != nil {
		return err
	}
	defer b.Close()
	switch {
	case args[0] == "out" && flags.NArg() == 2:
		return out(b, flags.Arg(0), flags.Arg(1))
	case args[0] == "in" && flags.NArg() == 1:
		return in(b, flags.Arg(0))
	}
	return errors.New("use out PATTERN FIFO or in FIFO")
}

// out writes what it receives. It subscribes first, so that nothing is missed while it waits until
// somebody opens the FIFO for reading.
func out(b *bus.Bus, pattern, path string) error {
	s, err := b.Subscribe(pattern, bus.Reliable())
	if err != nil {
		return err
	}
	defer s.Close()
	if err := checkFIFO(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	enc := msgpack.NewEncoder(w)
	ctx := context.Background()
	for {
		// Write what there is in large pieces, and nothing late.
		m, err := s.TryNext()
		if errors.Is(err, bus.ErrEmpty) {
			if err := w.Flush(); err != nil {
				return err
			}
			m, err = s.Next(ctx)
		}
		if err != nil {
			return err
		}
		if err := enc.EncodeString(m.Topic); err != nil {
			return err
		}
		if _, err := w.Write(m.Raw); err != nil {
			return err
		}
	}
}

// in publishes what it reads, until the other end is closed.
func in(b *bus.Bus, path string) error {
	if err := checkFIFO(path); err != nil {
		return err
	}
	f, err := os.Open(path) // waits for the other end
	if err != nil {
		return err
	}
	defer f.Close()
	dec := msgpack.NewDecoder(bufio.NewReader(f))
	ctx := context.Background()
	for {
		topic, err := dec.DecodeString()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: no topic: %w", path, err)
		}
		frame, err := dec.DecodeRaw()
		if err != nil {
			return fmt.Errorf("%s: topic %s: no frame: %w", path, topic, err)
		}
		if err := b.PublishRaw(ctx, topic, frame); err != nil {
			return err
		}
	}
}

func checkFIFO(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: make it with mkfifo", err)
	}
	if st.Mode()&os.ModeNamedPipe == 0 {
		return fmt.Errorf("%s is not a FIFO: make one with mkfifo", path)
	}
	return nil
}
