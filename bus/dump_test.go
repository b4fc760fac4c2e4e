package bus

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The segment is in no core dump: neither the creator's, nor that of who opened the bus or looks at
// it.
func TestSegmentStaysOutOfCores(t *testing.T) {
	b := newBus(t)
	reopen(t, b)
	o, err := ObserveKey(b.Key())
	require.NoError(t, err)
	defer o.Close()
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	mappings := regexp.MustCompile(`(?s)/SYSV[^\n]*\n.*?\nVmFlags:([^\n]*)`).FindAllSubmatch(smaps, -1)
	require.GreaterOrEqual(t, len(mappings), 3)
	for _, m := range mappings {
		require.Contains(t, string(m[1])+" ", " dd ")
	}
}
