package worker

import (
	"fmt"
	"maps"
	"slices"
)

// A Report is what a run found. Start and End may be left zero: then they are the moments before
// and after Run.
type Report struct {
	Start, End int64 // [testload.Now]
	Bad, Lost  uint64
	Samples    []uint32 // nanoseconds each, where the role records them
	Other      Params   // more to say, for the table that asked
}

// A Runner is one role of a contender, set up: attached, connected, subscribed.
type Runner interface {
	// Run does one run of n messages or round trips, whose numbers go on from run to run. It loops
	// by itself, so that nothing is called through an interface for each message.
	Run(n int) (Report, error)
	Close() error
}

// A New sets a role up.
type New func(Params) (Runner, error)

var registry = map[[2]string]New{}

// Register makes a role of a contender known. It is for package initialisation.
func Register(contender, role string, f New) {
	key := [2]string{contender, role}
	if registry[key] != nil {
		panic(fmt.Sprintf("worker: %s %s is registered twice", contender, role))
	}
	registry[key] = f
}

// Has reports whether a contender has a role.
func Has(contender, role string) bool { return registry[[2]string{contender, role}] != nil }

// Contenders returns the names of the contenders that have the role, sorted.
func Contenders(role string) []string {
	var names []string
	for key := range maps.Keys(registry) {
		if key[1] == role {
			names = append(names, key[0])
		}
	}
	slices.Sort(names)
	return names
}
