//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"shmbus/internal/fault"
)

// hot are the protocols whose points a worker passes all the time.
var hot = map[string][]string{
	rolePublish:   {"publish", "room", "wake", "certify"},
	roleSubscribe: {"receive", "sleep", "wake"},
}

// rare are those that it passes once, or seldom.
var rare = map[string][]string{
	rolePublish:   {"join", "open", "topic", "publisher", "settle", "gate", "bury", "clear", "wipe", "free", "bell", "leave"},
	roleSubscribe: {"join", "open", "subscribe", "bury", "clear", "wipe", "free", "bell", "leave"},
	roleBusd:      {"join", "open", "bury", "clear", "wipe", "bell"},
}

// parting are the protocols that a worker passes when it leaves.
var parting = []string{"wipe", "free", "leave"}

// randomFault returns what is to happen to a worker inside of a protocol, "" for nothing. Of
// several points it takes the one that was hit least often so far.
func randomFault(r *rand.Rand, role string, hits map[fault.Point]int) string {
	if !fault.Enabled {
		return ""
	}
	action := "kill"
	switch n := r.IntN(100); {
	case n < 20:
		return ""
	case n < 30:
		return fmt.Sprintf("*=kill:1/%d", pick(r, 100, 1000, 10_000, 100_000))
	case n < 40:
		return fmt.Sprintf("*=stall:1/%d:%v", pick(r, 300, 3000), time.Duration(1+r.IntN(3000))*time.Microsecond)
	case n < 50:
		action = "stop"
	}
	protocols, visits := rare[role], pick(r, 1, 1, 1, 2, 3)
	if len(hot[role]) > 0 && r.IntN(2) == 0 {
		protocols = hot[role]
		visits = 1 + r.IntN(pick(r, 1, 10, 100, 1000))
	}
	points := pointsOf(protocols...)
	p := pick(r, points...)
	for range 2 {
		if q := pick(r, points...); hits[q] < hits[p] {
			p = q
		}
	}
	return fmt.Sprintf("%v=%s:%d", p, action, visits)
}

// atParting reports whether the fault can happen when its worker leaves.
func atParting(spec string) bool {
	for _, protocol := range parting {
		if strings.HasPrefix(spec, protocol+".") {
			return true
		}
	}
	return false
}

// pointsOf returns the points of protocols.
func pointsOf(protocols ...string) []fault.Point {
	var list []fault.Point
	for _, p := range fault.Points() {
		for _, protocol := range protocols {
			if strings.HasPrefix(p.String(), protocol+".") {
				list = append(list, p)
			}
		}
	}
	return list
}
