package worker

import (
	"fmt"
	"strconv"
	"strings"
)

// Params are the key=value arguments of a worker.
type Params map[string]string

// ParseParams parses key=value words.
func ParseParams(words []string) (Params, error) {
	p := Params{}
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q: key=value is needed", w)
		}
		if _, twice := p[key]; twice {
			return nil, fmt.Errorf("%s is given twice", key)
		}
		p[key] = value
	}
	return p, nil
}

// String returns the value of key, or byDefault.
func (p Params) String(key, byDefault string) string {
	if v, ok := p[key]; ok {
		return v
	}
	return byDefault
}

// Int returns the number that key has, or byDefault. What is not a number ends the worker with an
// error line.
func (p Params) Int(key string, byDefault int) int {
	v, ok := p[key]
	if !ok {
		return byDefault
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		panic(badParam(fmt.Sprintf("%s=%s: a number is needed", key, v)))
	}
	return n
}

type badParam string
