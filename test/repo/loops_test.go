package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A loop over All, Values or Typed with one variable leaves out the error, and with it each loss.
// The compiler takes it; nothing that a user may copy from here has it. (bus/values_test.go shows
// what becomes of it.)
func TestLoopsTakeTheError(t *testing.T) {
	loop := regexp.MustCompile(`for\s+(\w+)\s*(,\s*\w+\s*)?:?=\s*range\s+[^{]*(\.All\(|Values\[|Typed\[)`)
	looked := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "bus/values_test.go") {
			return err
		}
		if !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range loop.FindAllStringSubmatch(string(text), -1) {
			looked++
			require.NotEmpty(t, m[2], "%s: %s", path, m[0])
		}
		return err
	})
	require.NoError(t, err)
	require.Greater(t, looked, 3)
}
