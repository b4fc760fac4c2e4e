package bus

import "shmbus/internal/topics"

// CheckTopic reports what is wrong with the name of a topic: 1 to 200 bytes of words that are
// separated by dots, each of at least one character other than dot, space, control characters, *
// and >. The error is a [*TopicError].
func CheckTopic(topic string) error {
	if err := topics.Check(topic); err != nil {
		return &TopicError{Topic: topic, Problem: err.Error()}
	}
	return nil
}

// CheckPattern reports what is wrong with a pattern: a topic in which a word may be *, which
// matches any one word, and the last word may be >, which matches one or more words. The error is a
// [*TopicError].
func CheckPattern(pattern string) error {
	_, err := parsePatterns([]string{pattern})
	return err
}

func parsePatterns(spelt []string) ([]topics.Pattern, error) {
	patterns := make([]topics.Pattern, len(spelt))
	for i, s := range spelt {
		p, err := topics.Parse(s)
		if err != nil {
			return nil, &TopicError{Topic: s, Problem: err.Error(), Pattern: true}
		}
		patterns[i] = p
	}
	return patterns, nil
}
