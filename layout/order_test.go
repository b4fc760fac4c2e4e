package layout

import (
	"regexp"
	"strings"
	"testing"

	"shmbus/test/machine"
)

// On arm64 loads pass each other. DecodeHeader loads the magic number, then passes a load barrier,
// then copies the rest: in any other order it could take a half-written header for a complete one.
func TestMagicBeforeTheRestOnARM64(t *testing.T) {
	load := regexp.MustCompile(`^MOVD \(R\d+\), R\d+$`)
	var steps []string
	for _, c := range machine.Build(t, "arm64", "shmbus/layout").Code(t, "shmbus/layout.DecodeHeader") {
		switch {
		case load.MatchString(c):
			steps = append(steps, "load")
		case c == "CALL shmbus/internal/fence.Loads":
			steps = append(steps, "barrier")
		case c == "CALL runtime.memmove":
			steps = append(steps, "copy")
		}
	}
	if got := strings.Join(steps, " "); !strings.HasPrefix(got, "load barrier copy") {
		t.Errorf("the first load, the barrier and the copy are in the order %q", got)
	}
}
