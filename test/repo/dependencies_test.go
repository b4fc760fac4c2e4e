// Package repo holds tests of the repository itself.
package repo

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The direct requirements of go.mod, and what users link, are those that docs/dependencies.md names.
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

// Imports point down: commands use bus; bus uses ring, sysvsem, sysvshm and layout; ring uses layout; internal/fence, which
// uses nothing, is there for whoever shares memory.
func TestImportsPointDown(t *testing.T) {
	allowed := map[string][]string{
		"shmbus/layout":           {"shmbus/internal/fence"},
		"shmbus/sysvsem":          {"shmbus/internal/sysv"},
		"shmbus/sysvshm":          {"shmbus/internal/sysv"},
		"shmbus/internal/sysv":    {},
		"shmbus/internal/fence":   {},
		"shmbus/internal/fault":   {},
		"shmbus/internal/wire":    {},
		"shmbus/internal/decode":  {"shmbus/internal/wire"},
		"shmbus/ring":             {"shmbus/layout", "shmbus/internal/fault", "shmbus/internal/fence"},
		"shmbus/internal/segment": {"shmbus/layout", "shmbus/internal/fault", "shmbus/sysvsem", "shmbus/sysvshm"},
		"shmbus/internal/topics":  {"shmbus/internal/segment", "shmbus/internal/fault", "shmbus/layout"},
		"shmbus/internal/sleep":   {"shmbus/internal/segment", "shmbus/internal/fault", "shmbus/layout", "shmbus/ring", "shmbus/sysvsem"},
		"shmbus/bus":              {"shmbus/internal/segment", "shmbus/internal/topics", "shmbus/internal/sleep", "shmbus/layout", "shmbus/ring", "shmbus/internal/fault", "shmbus/internal/fence", "shmbus/sysvsem", "shmbus/sysvshm", "shmbus/internal/decode", "shmbus/internal/wire"},
	}
	allowed["shmbus/bus/bustest"] = []string{"shmbus/bus"} // as a user would
	for pkg, want := range allowed {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, pkg).Output()
		require.NoError(t, err)
		for _, imp := range strings.Fields(string(out)) {
			if strings.HasPrefix(imp, "shmbus/") {
				require.Contains(t, want, imp, "%s imports %s", pkg, imp)
			}
		}
	}
}
