//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"shmbus/bus"
)

const (
	busName = "chaos"
)

// Roles of workers.
const (
	rolePublish   = "publish"
	roleSubscribe = "subscribe"
	roleWatch     = "watch"
	roleCreate    = "create"
	roleRemove    = "remove"
	roleBusd      = "busd" // a program of its own
)

// A job is what a worker is to do.
type job struct {
	Role  string `json:"-"`
	Diary string
	ID    uint32
	Seed  uint64
	Wait  bus.WaitStrategy `json:",omitempty"`
	Batch int              `json:",omitempty"` // messages that some calls publish or receive at once, at most; 0: none does

	// of publishers
	Topic   uint32        `json:",omitempty"`
	Sizes   int           `json:",omitempty"` // see size
	Burst   int           `json:",omitempty"` // messages at full speed, on average
	Rest    time.Duration `json:",omitempty"` // between bursts, on average
	NoWait  bool          `json:",omitempty"`
	Stamp   bool          `json:",omitempty"`
	Timeout time.Duration `json:",omitempty"` // of a publish

	// of subscribers
	Patterns []string      `json:",omitempty"`
	Policy   string        `json:",omitempty"`
	Patience time.Duration `json:",omitempty"`
	Oldest   bool          `json:",omitempty"`
	InPlace  bool          `json:",omitempty"`
	Slow     time.Duration `json:",omitempty"` // a rest after some of the messages

	// of creators
	Slots int `json:",omitempty"`
}

// blocks reports whether publishers wait for this one without end.
func (j job) blocks() bool { return j.Role == roleSubscribe && j.Policy == "reliable" }

func (j job) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", j.Role, j.ID)
	switch j.Role {
	case rolePublish:
		fmt.Fprintf(&b, " on %s", topics[j.Topic])
	case roleSubscribe:
		fmt.Fprintf(&b, " %s %v", j.Policy, j.Patterns)
	}
	return b.String()
}

// pick returns one of the choices.
func pick[T any](r *rand.Rand, choices ...T) T { return choices[r.IntN(len(choices))] }

// waits are what workers do when they wait. On few processors, those that never sleep are the
// exception.
func pickWait(r *rand.Rand) bus.WaitStrategy {
	switch r.IntN(40) {
	case 0:
		return bus.Spin
	case 1:
		return bus.Yield
	}
	return pick(r, bus.Block, bus.Adaptive)
}

func randomPublisher(r *rand.Rand, id uint32, o options) job {
	j := job{Role: rolePublish, ID: id, Seed: r.Uint64(), Wait: pickWait(r), Sizes: pick(r, sizesSmall, sizesSmall, sizesMixed, sizesMixed, sizesEqual),
		Topic: uint32(pick(r, 0, 0, 0, 0, 1, 1, 1, 2, 2, quietTopic)), NoWait: r.IntN(6) == 0, Stamp: r.IntN(5) == 0}
	if r.IntN(2) == 0 {
		j.Batch = pick(r, 2, 8, 40, 150)
	}
	if r.IntN(6) == 0 {
		j.Timeout = time.Duration(1+r.IntN(10)) * time.Millisecond
	}
	j.Burst = pick(r, 1, 8, 30, 100, 300)
	each := max(o.rate/o.publishers, 1)
	if j.Topic == uint32(quietTopic) {
		j.Burst, each = 1, 100
	}
	j.Rest = time.Duration(j.Burst) * time.Second / time.Duration(each)
	return j
}

func randomSubscriber(r *rand.Rand, id uint32) job {
	j := job{Role: roleSubscribe, ID: id, Seed: r.Uint64(), Wait: pickWait(r),
		Policy:   pick(r, "lossy", "lossy", "lossy", "reliable", "reliable", "reliable", "evict", "demote"),
		Patterns: pick(r, []string{">"}, []string{">"}, []string{">"}, []string{"chaos.*"}, []string{"chaos.b.>", "chaos.a"}, []string{"quiet.>"}, []string{"*.b", "quiet.c"}),
		Oldest:   r.IntN(4) == 0, InPlace: r.IntN(2) == 0, Patience: time.Duration(2+r.IntN(20)) * time.Millisecond}
	if r.IntN(2) == 0 {
		j.Batch = pick(r, 2, 20, 100)
	}
	if j.Policy != "reliable" && r.IntN(3) == 0 {
		j.Slow = time.Duration(1+r.IntN(30)) * time.Millisecond
	}
	return j
}
