package shmbusworker

import (
	"fmt"
	"maps"
	"strconv"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/test/bench/payload"
	"shmbus/test/bench/worker"
)

// Fill and skip take turns, by a second bus: fill publishes as many messages as the ring holds, all
// on other topics but the last, and skip, which did not look meanwhile, then looks for that one.
// Only skip's turn is timed; a sample is that of one turn. A run is of so many turns. With all=1
// skip wants every topic, and receives what it would pass over otherwise.
const (
	wanted    = "wanted"
	atATime   = 4000 // publishers, if there are more topics
	turnsBus  = "-turns"
	turnsRing = 8
)

func init() {
	worker.Register("shmbus", "skip", openSkip)
	worker.Register("shmbus", "fill", openFill)
}

// openTurns returns the ends of both buses: that of messages, where one publishes and the other
// subscribes, and that of turns.
func openTurns(p worker.Params, owns bool, publish, subscribe string) (main, turns *end, err error) {
	p = maps.Clone(p)
	p["publishers"] = strconv.Itoa(min(p.Int("topics", 100), atATime) + 1)
	if main, err = open(p, owns, publish, subscribe); err != nil {
		return nil, nil, err
	}
	p["id"] += turnsBus
	p["slots"], p["publishers"], p["wait"] = strconv.Itoa(turnsRing), "2", "spin"
	mine, others := there, back
	if owns {
		mine, others = back, there
	}
	if turns, err = open(p, owns, mine, others); err != nil {
		return nil, nil, main.fail(err)
	}
	return main, turns, nil
}

type skipper struct {
	*end
	turns *end
	all   bool
	last  uint64 // position of the wanted message before
}

func openSkip(p worker.Params) (worker.Runner, error) {
	pattern, all := wanted, p.Int("all", 0) != 0
	if all {
		pattern = ">"
	}
	main, turns, err := openTurns(p, true, "", pattern)
	return &skipper{main, turns, all, ^uint64(0)}, err
}

func (s *skipper) Run(n int) (worker.Report, error) {
	var m bus.Message
	s.check.Bad = 0
	slots := uint64(s.bus.Sizes().Slots)
	rep := worker.Report{Samples: worker.NewSamples(n), Other: worker.Params{"each": fmt.Sprint(slots)}}
	for i := range n {
		if err := s.turns.sub.Receive(s.ctx, &m); err != nil {
			return rep, err
		}
		messages := 1
		if s.all {
			messages = int(slots)
		}
		start := testload.Now()
		for range messages {
			if err := s.sub.Receive(s.ctx, &m); err != nil {
				return rep, err
			}
			if s.all {
				s.check.Take(m.Raw)
			}
		}
		rep.Samples[i] = worker.Sample(testload.Now() - start)
		if m.Topic != wanted || m.Position-s.last != slots || !payload.Check(m.Raw, m.Position) {
			rep.Bad++
		}
		s.last = m.Position
		if err := s.turns.pub.PublishRaw(s.ctx, s.buf); err != nil {
			return rep, err
		}
	}
	rep.Bad += s.check.Bad
	return rep, nil
}

func (s *skipper) Close() error {
	err := s.turns.Close()
	if e := s.end.Close(); e != nil {
		err = e
	}
	return err
}

type filler struct {
	*end
	turns  *end
	others []*bus.Publisher
	next   int // of them
}

func openFill(p worker.Params) (worker.Runner, error) {
	main, turns, err := openTurns(p, false, wanted, "")
	if err != nil {
		return nil, err
	}
	f := &filler{end: main, turns: turns}
	topics := p.Int("topics", 100) - 1
	for i := range topics {
		pub, err := main.bus.Publisher(fmt.Sprintf("other.%d", i), bus.Exclusive(), bus.Wait(main.wait))
		if err != nil {
			return nil, main.fail(err)
		}
		// All topics are there; where they are more than publishers can be, some of them, evenly,
		// have messages.
		if share := min(topics, atATime); i*share/topics != (i+1)*share/topics {
			f.others = append(f.others, pub)
		} else if err := pub.Close(); err != nil {
			return nil, main.fail(err)
		}
	}
	return f, nil
}

func (f *filler) Run(n int) (worker.Report, error) {
	var m bus.Message
	for range n {
		for left := f.bus.Sizes().Slots; left > 0; left-- {
			pub := f.pub
			if left > 1 {
				pub = f.others[f.next]
				if f.next++; f.next == len(f.others) {
					f.next = 0
				}
			}
			payload.Stamp(f.buf, f.sent)
			f.sent++
			if err := pub.PublishRaw(f.ctx, f.buf); err != nil {
				return worker.Report{}, err
			}
		}
		if err := f.turns.pub.PublishRaw(f.ctx, f.buf); err != nil {
			return worker.Report{}, err
		}
		if err := f.turns.sub.Receive(f.ctx, &m); err != nil {
			return worker.Report{}, err
		}
	}
	return worker.Report{}, nil
}

func (f *filler) Close() error {
	f.turns.Close()
	return f.end.Close()
}
