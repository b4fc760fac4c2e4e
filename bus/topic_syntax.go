package bus

import (
	"fmt"
	"strings"

	"shmbus/layout"
)

// ValidTopic reports what is wrong with the name of a topic: 1 to 200 bytes of words that are
// separated by dots, each at least one character other than dot, space, control characters, * and >.
func ValidTopic(topic string) error { return checkTopic(topic, false) }

// ValidPattern reports what is wrong with a pattern: a topic in which a word may be *, which matches
// any one word, and the last word may be >, which matches one or more words.
func ValidPattern(pattern string) error { return checkTopic(pattern, true) }

func checkTopic(topic string, pattern bool) error {
	bad := func(format string, a ...any) error { return &TopicError{topic, fmt.Sprintf(format, a...), pattern} }
	switch {
	case topic == "":
		return bad("it is empty")
	case len(topic) > layout.TopicNameSize:
		return bad("it has %d bytes, at most %d are allowed", len(topic), layout.TopicNameSize)
	}
	words := strings.Split(topic, ".")
	for i, w := range words {
		switch {
		case w == "":
			return bad("a word is empty: no dot at the start, at the end, or twice in a row")
		case w == "*" && pattern:
		case w == ">" && pattern:
			if i != len(words)-1 {
				return bad("> stands for all the rest, so it must be the last word")
			}
		case strings.ContainsAny(w, "*>"):
			if pattern {
				return bad("* and > stand for whole words")
			}
			return bad("* and > are for patterns of subscribers")
		default:
			for _, r := range w {
				if r <= ' ' || r == 0x7f || r == 0xfffd {
					return bad("it contains %q", r)
				}
			}
		}
	}
	return nil
}

// A pattern is a checked pattern, split into words.
type pattern struct {
	words []string
	rest  bool // the last word was >
}

func parsePattern(s string) (pattern, error) {
	if err := ValidPattern(s); err != nil {
		return pattern{}, err
	}
	p := pattern{words: strings.Split(s, ".")}
	if n := len(p.words) - 1; p.words[n] == ">" {
		p.words, p.rest = p.words[:n], true
	}
	return p, nil
}

func (p pattern) matches(topic string) bool {
	for _, w := range p.words {
		word, rest, _ := strings.Cut(topic, ".")
		if word == "" || (w != "*" && w != word) {
			return false
		}
		topic = rest
	}
	return p.rest == (topic != "")
}

// everything reports whether the pattern matches every topic.
func (p pattern) everything() bool { return p.rest && len(p.words) == 0 }
