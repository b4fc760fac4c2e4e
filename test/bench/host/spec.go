package host

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"shmbus/test/bench/worker"
)

// A Spec names a contender and its parameters, written CONTENDER:key=value,key=value. A contender
// native/NAME is the C or C++ program native/NAME.c or .cpp, any other is Go code in this program.
type Spec struct {
	Contender string
	Params    worker.Params
}

// ParseSpec parses what [Spec.String] returns.
func ParseSpec(s string) (Spec, error) {
	name, rest, _ := strings.Cut(s, ":")
	if name == "" {
		return Spec{}, fmt.Errorf("%q: CONTENDER or CONTENDER:key=value,… is needed", s)
	}
	var words []string
	if rest != "" {
		words = strings.Split(rest, ",")
	}
	p, err := worker.ParseParams(words)
	if err != nil {
		return Spec{}, fmt.Errorf("%s: %w", s, err)
	}
	return Spec{name, p}, nil
}

// MustSpec is [ParseSpec] for what is written in the program.
func MustSpec(s string) Spec {
	spec, err := ParseSpec(s)
	if err != nil {
		panic(err)
	}
	return spec
}

// With returns the spec with a parameter set.
func (s Spec) With(key string, value any) Spec {
	p := maps.Clone(s.Params)
	if p == nil {
		p = worker.Params{}
	}
	p[key] = fmt.Sprint(value)
	return Spec{s.Contender, p}
}

func (s Spec) String() string {
	if len(s.Params) == 0 {
		return s.Contender
	}
	return s.Contender + ":" + strings.Join(s.words(), ",")
}

func (s Spec) words() []string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(s.Params)) {
		words = append(words, k+"="+s.Params[k])
	}
	return words
}

// native returns the name of the C or C++ program.
func (s Spec) native() (string, bool) { return strings.CutPrefix(s.Contender, "native/") }
