package topics

import (
	"errors"
	"fmt"
	"strings"

	"shmbus/layout"
)

// Check returns what is wrong with the name of a topic, or nil. A topic has 1 to 200 bytes: words
// that are separated by dots, each of at least one character other than dot, space, control
// characters, * and >.
func Check(topic string) error { return check(topic, false) }

func check(topic string, pattern bool) error {
	switch {
	case topic == "":
		return errors.New("it is empty")
	case len(topic) > layout.TopicNameSize:
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(topic), layout.TopicNameSize)
	}
	words := strings.Split(topic, ".")
	for i, w := range words {
		switch {
		case w == "":
			return errors.New("a word is empty: no dot at the start, at the end, or twice in a row")
		case w == "*" && pattern:
		case w == ">" && pattern:
			if i != len(words)-1 {
				return errors.New("> stands for all the rest, so it must be the last word")
			}
		case strings.ContainsAny(w, "*>"):
			if pattern {
				return errors.New("* and > stand for whole words")
			}
			return errors.New("* and > are for patterns of subscribers")
		default:
			for _, r := range w {
				if r <= ' ' || r == 0x7f || r == 0xfffd {
					return fmt.Errorf("it contains %q", r)
				}
			}
		}
	}
	return nil
}

// A Pattern matches topics. It is a topic in which a word may be *, which matches any one word,
// and the last word may be >, which matches one or more words.
type Pattern struct {
	words []string
	rest  bool // the last word was >
}

// Parse returns the pattern that s spells. The error says what is wrong with s.
func Parse(s string) (Pattern, error) {
	if err := check(s, true); err != nil {
		return Pattern{}, err
	}
	p := Pattern{words: strings.Split(s, ".")}
	if n := len(p.words) - 1; p.words[n] == ">" {
		p.words, p.rest = p.words[:n], true
	}
	return p, nil
}

// Matches reports whether the pattern matches the topic.
func (p Pattern) Matches(topic string) bool {
	for _, w := range p.words {
		word, rest, _ := strings.Cut(topic, ".")
		if word == "" || (w != "*" && w != word) {
			return false
		}
		topic = rest
	}
	return p.rest == (topic != "")
}

// all reports whether the pattern matches every topic.
func (p Pattern) all() bool { return p.rest && len(p.words) == 0 }
