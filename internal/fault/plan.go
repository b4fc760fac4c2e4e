//go:build faults

package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A rule says what happens at a point.
type rule struct {
	action string
	visit  uint64 // the visit at which the action happens; in plan.any its probability is 1/visit
	stall  time.Duration
}

// A plan holds what the environment variables ask for.
type plan struct {
	rules map[Point]rule
	any   rule
	first uint64
}

// load returns the board for the environment variables, which it gets from env, or nil if none of
// them is set.
func load(env func(string) string) *board {
	spec, file, first := env("SHMBUS_FAULT"), env("SHMBUS_FAULT_FILE"), env("SHMBUS_FIRST_POSITION")
	if spec == "" && file == "" && first == "" {
		return nil
	}
	b := new(board)
	var err error
	if b.plan, err = parse(spec); err != nil {
		refuse("SHMBUS_FAULT: %v", err)
	}
	if first != "" {
		if b.first, err = strconv.ParseUint(first, 10, 64); err != nil {
			refuse("SHMBUS_FIRST_POSITION: %v", err)
		}
	}
	var seed uint64
	if s := env("SHMBUS_FAULT_SEED"); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			refuse("SHMBUS_FAULT_SEED: %v", err)
		}
	}
	b.chance = rand.New(rand.NewPCG(seed, 0))
	if err := b.place(file); err != nil {
		refuse("SHMBUS_FAULT_FILE: %v", err)
	}
	return b
}

func refuse(format string, a ...any) {
	fmt.Fprintf(os.Stderr, "fault: "+format+"\n", a...)
	os.Exit(2)
}

func parse(spec string) (plan, error) {
	pl := plan{rules: make(map[Point]rule)}
	if spec == "" {
		return pl, nil
	}
	for _, s := range strings.Split(spec, ",") {
		name, what, _ := strings.Cut(s, "=")
		r, chance, err := parseRule(what)
		if err != nil {
			return pl, fmt.Errorf("%q: %w", s, err)
		}
		if name == "*" {
			if !chance {
				return pl, fmt.Errorf("%q: * needs a probability: write *=ACTION:1/N", s)
			}
			pl.any = r
			continue
		}
		p := slices.Index(names[:], name)
		if p < 0 || chance {
			return pl, fmt.Errorf("%q: unknown point, or a probability, which only * takes", s)
		}
		pl.rules[Point(p)] = r
	}
	return pl, nil
}

// parseRule parses ACTION[:N[:DURATION]], where N may be 1/N.
func parseRule(s string) (r rule, chance bool, err error) {
	part := strings.SplitN(s, ":", 3)
	r = rule{action: part[0], visit: 1, stall: time.Second}
	if r.action != "kill" && r.action != "stop" && r.action != "stall" {
		return r, false, fmt.Errorf("action %q is none of kill, stop and stall", r.action)
	}
	if len(part) > 1 {
		n, of := strings.CutPrefix(part[1], "1/")
		if r.visit, err = strconv.ParseUint(n, 10, 64); err != nil || r.visit == 0 {
			return r, false, fmt.Errorf("%q is not a number of visits", part[1])
		}
		chance = of
	}
	if len(part) > 2 {
		if r.stall, err = time.ParseDuration(part[2]); err != nil {
			return r, false, err
		}
	}
	return r, chance, nil
}
