//go:build linux

package main

import (
	"fmt"
	"strings"

	"shmbus/internal/testload"
)

// topics are those that publishers use. The last is a quiet one: who wants only that sleeps long.
var topics = [...]string{"chaos.a", "chaos.b", "chaos.b.x", "quiet.c"}

const quietTopic = len(topics) - 1

// A wish is which topics a subscription wants.
type wish [len(topics)]bool

// wishOf matches patterns against the topics, independently of package bus.
func wishOf(patterns []string) wish {
	var w wish
	for i, t := range topics {
		for _, p := range patterns {
			w[i] = w[i] || matches(strings.Split(p, "."), strings.Split(t, "."))
		}
	}
	return w
}

func matches(pattern, topic []string) bool {
	switch {
	case len(pattern) == 0:
		return len(topic) == 0
	case len(topic) == 0:
		return false
	case pattern[0] == ">":
		return true
	}
	return (pattern[0] == "*" || pattern[0] == topic[0]) && matches(pattern[1:], topic[1:])
}

// readFrame checks a whole frame.
func readFrame(b []byte) (testload.Stamp, error) {
	s, err := testload.Read(b)
	if err == nil && int(s.Tag) >= len(topics) {
		err = fmt.Errorf("a message on topic %d, which there is not: %+v", s.Tag, s)
	}
	return s, err
}
