// Package repo holds tests of the repository itself.
package repo

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The direct requirements of go.mod, and what users link, are those that docs/dependencies.md
// names.
func TestDependenciesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dependencies.md")
	require.NoError(t, err)
	mod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	direct := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		direct[m[1]] = true
		require.Contains(t, string(doc), "| "+m[1], "required, but not in docs/dependencies.md")
	}
	require.NotEmpty(t, direct)
	for _, m := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+)`).FindAllStringSubmatch(string(doc), -1) {
		tool := m[1] == "honnef.co/go/tools"
		require.True(t, direct[m[1]] || tool, "%s is documented, but not required", m[1])
	}
}

func TestWhatUsersLink(t *testing.T) {
	allowed := map[string][]string{
		"shmbus/layout":  {},
		"shmbus/ring":    {},
		"shmbus/sysvsem": {"golang.org/x/sys/unix"},
		"shmbus/sysvshm": {"golang.org/x/sys/unix"},
		"shmbus/sysvmsg": {"golang.org/x/sys/unix"},
		"shmbus/bus":     {"golang.org/x/sys/unix", "github.com/vmihailenco/msgpack/v5", "github.com/vmihailenco/tagparser/v2"},
	}
	allowed["shmbus/bus/bustest"] = allowed["shmbus/bus"]
	for pkg, modules := range allowed {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		require.NoError(t, err)
		for _, dep := range strings.Fields(string(out)) {
			ok := strings.HasPrefix(dep, "shmbus/")
			for _, m := range modules {
				ok = ok || dep == m || strings.HasPrefix(dep, m+"/")
			}
			require.True(t, ok, "%s links %s", pkg, dep)
		}
	}
}

// imports says what each package may import of this module. Each row names packages of the rows
// above it only, so that imports point down and there is no circle. What stands above bus uses bus
// as its users do, and nothing below it; the exceptions say why.
var imports = []struct {
	pkg   string
	needs string
}{
	// Orderings, points for tests, what only Linux has, msgpack's heads, what the System V packages
	// share.
	{"internal/fence", ""},
	{"internal/fault", ""},
	{"internal/wire", ""},
	{"internal/linux", ""},
	{"internal/sysv", "internal/linux"},
	{"internal/decode", "internal/wire"},
	// System V, useful alone.
	{"sysvsem", "internal/sysv internal/linux"},
	{"sysvshm", "internal/sysv"},
	{"sysvmsg", "internal/sysv internal/linux"},
	// The bytes, and the ring in them.
	{"layout", "internal/fence"},
	{"ring", "layout internal/fault internal/fence"},
	// An attached bus, and what becomes of it.
	{"internal/segment", "layout internal/fault sysvsem sysvshm"},
	{"internal/registry", "internal/linux internal/segment layout ring internal/fault sysvsem sysvshm"},
	{"internal/topics", "internal/segment layout internal/fault"},
	{"internal/sleep", "internal/linux internal/segment layout ring internal/fault sysvsem"},
	{"internal/members", "internal/linux internal/sleep internal/segment layout ring internal/fault sysvsem"},
	{"internal/inspect", "internal/topics internal/segment layout ring sysvshm"},
	// The API.
	{"bus", "internal/linux internal/members internal/sleep internal/topics internal/registry internal/segment internal/decode internal/wire " +
		"layout ring internal/fault internal/fence sysvsem sysvshm"},
	{"bus/bustest", "bus internal/linux"},
	// The commands. busd looks at the host's System V objects, also at those that are no bus, and
	// busd doctor examines what is in the segment of one. bussub shows the heads of frames.
	{"cmd", ""},
	{"cmd/internal/cli", "internal/linux bus layout"},
	{"cmd/internal/codec", "internal/wire"},
	{"cmd/busd", "bus internal/linux internal/inspect cmd/internal/cli layout sysvsem sysvshm"},
	{"cmd/buspub", "bus cmd/internal/cli cmd/internal/codec"},
	{"cmd/bussub", "bus internal/linux cmd/internal/cli cmd/internal/codec internal/wire"},
}

// forTests are packages that tests share. They import what they like, and no package with a row
// imports them.
var forTests = []string{"test/", "ring/model/", "internal/testproc", "internal/testload", "internal/leak", "internal/segment/segtest", "cmd/internal/pipetest"}

func TestImportsPointDown(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	above := map[string]bool{}
	may := map[string][]string{}
	for _, row := range imports {
		may[row.pkg] = strings.Fields(row.needs)
		for _, need := range may[row.pkg] {
			require.True(t, above[need], "%s: %s has no row above it", row.pkg, need)
		}
		above[row.pkg] = true
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		pkg := strings.TrimPrefix(words[0], "shmbus/")
		if slices.ContainsFunc(forTests, func(prefix string) bool { return strings.HasPrefix(pkg, prefix) }) {
			continue
		}
		require.True(t, above[pkg], "%s has no row", pkg)
		for _, imp := range words[1:] {
			if imp, own := strings.CutPrefix(imp, "shmbus/"); own {
				require.Contains(t, may[pkg], imp, "%s imports %s", pkg, imp)
			}
		}
	}
}
