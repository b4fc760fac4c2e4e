//go:build !race

package bus

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/test/machine"
)

// TestReadHasABarrierOnARM64: what Read's callback has loaded is validated by a look at the entry
// that no load of the callback passes.
func TestReadHasABarrierOnARM64(t *testing.T) {
	var steps []string
	for _, c := range machine.Build(t, "arm64", "shmbus/bus").Code(t, "shmbus/bus.(*Subscription).Read") {
		switch {
		case strings.HasPrefix(c, "CALL (R"):
			steps = append(steps, "f")
		case strings.HasPrefix(c, "LDAR "):
			steps = append(steps, "look")
		case c == "CALL shmbus/internal/fence.Loads":
			steps = append(steps, "barrier")
		}
	}
	require.Regexp(t, regexp.MustCompile("look f barrier look"), strings.Join(steps, " "))
}
