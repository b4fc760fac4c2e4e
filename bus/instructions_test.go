//go:build amd64 && !race

package bus

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A small publish has one locked instruction, that of the exchange, and a receive none: there are
// none in what the bus adds to the ring. The XCHG of an atomic store on amd64 is one. Of the steps
// of the ring nothing is called.
func TestLockedInstructions(t *testing.T) {
	locked := regexp.MustCompile(`\t(LOCK|XCHG\w*|[LMS]FENCE|XADD\w*)\b.*`)
	inlined := map[string]bool{"(*lifecycle).enterAlone": true, "(*Subscription).wakeBlocked": true, "(*Subscription).count": true}
	for pkg, functions := range map[string][]string{
		"bus": {
			"(*Publisher).PublishRaw", "(*Publisher).lostRace", "(*Publisher).exchangeFilled", "(*Publisher).finishFast", "(*Publisher).PublishBatch",
			"(*Publisher).published", "(*Publisher).wakeInterested", "(*Publisher).publishFilled",
			"(*lifecycle).enterAlone", "(*lifecycle).exit",
			"(*Subscription).Next", "(*Subscription).Receive", "(*Subscription).TryNext", "(*Subscription).Read",
			"(*Subscription).ReceiveBatch", "(*Subscription).more", "(*Subscription).takeMatches", "(*Subscription).takeMatch", "(*Subscription).receiveOther", "(*Subscription).next",
			"(*Subscription).look", "(*Subscription).take", "(*Subscription).advance", "(*Subscription).skip", "(*Subscription).count",
			"(*Subscription).wakeBlocked",
		},
		"internal/topics": {"(*Interest).Topic"},
		"internal/sleep":  {"WakeBlocked", "AnyToWake"},
	} {
		archive := filepath.Join(t.TempDir(), "pkg.a")
		out, err := exec.Command("go", "build", "-o", archive, "shmbus/"+pkg).CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, f := range functions {
			out, err := exec.Command("go", "tool", "objdump", "-s", "^shmbus/"+pkg+"."+regexp.QuoteMeta(f)+"$", archive).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.True(t, inlined[f] || strings.Contains(string(out), "\tRET"), "there is no code of %s", f)
			found := locked.FindAllString(string(out), -1)
			if f == "(*Publisher).PublishRaw" {
				require.Len(t, found, 1, f)
				require.Contains(t, found[0], "LOCK CMPXCHGQ")
			} else {
				require.Empty(t, found, f)
			}
			if want, ok := map[string][]string{"(*Publisher).PublishRaw": {"Fill"}, "(*Subscription).Receive": nil, "(*Subscription).takeMatches": nil}[f]; ok {
				var calls []string
				for _, c := range regexp.MustCompile(`R_CALL:shmbus/(?:ring|layout)\.(?:\S*\.)?(\w+)`).FindAllStringSubmatch(string(out), -1) {
					calls = append(calls, c[1])
				}
				require.ElementsMatch(t, want, calls, "%s calls of the ring what is rare, and nothing else", f)
			}
		}
	}
}
