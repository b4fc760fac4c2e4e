package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const renamed = "example.org/x/shmbus"

var dirs = []string{"bus", "cmd", "internal", "ring", "test"}

// Each line is what it was and what it becomes; where the second is missing, it stays.
func TestText(t *testing.T) {
	tests := [][2]string{
		{`import "shmbus/bus"`, `import "example.org/x/shmbus/bus"`},
		{`	b "shmbus/bus/bustest"`, `	b "example.org/x/shmbus/bus/bustest"`},
		{`"shmbus/cmd/busd", "shmbus/cmd/bussub"`, `"example.org/x/shmbus/cmd/busd", "example.org/x/shmbus/cmd/bussub"`},
		{"`R_CALL:shmbus/(?:ring|layout)\\.`", "`R_CALL:example.org/x/shmbus/(?:ring|layout)\\.`"},
		{`"^shmbus/ring." + f`, `"^example.org/x/shmbus/ring." + f`},
		{`strings.HasPrefix(f, "shmbus/")`, `strings.HasPrefix(f, "example.org/x/shmbus/")`},
		{`"-gcflags=shmbus/ring=-m"`, `"-gcflags=example.org/x/shmbus/ring=-m"`},
		{`CALL shmbus/internal/fence.Loads;CALL shmbus/(?:ring|bus)`, `CALL example.org/x/shmbus/internal/fence.Loads;CALL example.org/x/shmbus/(?:ring|bus)`},
		{"module shmbus\n", "module example.org/x/shmbus\n"},
		{"module shmbus/test/bench\n", "module example.org/x/shmbus/test/bench\n"},
		{"require (\n\tshmbus v0.0.0\n)\nreplace shmbus => ../shmbus\n", "require (\n\texample.org/x/shmbus v0.0.0\n)\nreplace example.org/x/shmbus => ../shmbus\n"},
		{"go mod edit -require=shmbus@v0.0.0 -replace=shmbus=../shmbus", "go mod edit -require=example.org/x/shmbus@v0.0.0 -replace=example.org/x/shmbus=../shmbus"},
		{"the line `require shmbus v0.0.0`", "the line `require example.org/x/shmbus v0.0.0`"},
		{"go get shmbus@latest", "go get example.org/x/shmbus@latest"},

		{"shmbus is a bus. # shmbus", ""},
		{"/run/shmbus/bus.key $XDG_RUNTIME_DIR/shmbus/test ~/shmbus/bus ../shmbus/bus ${X}/shmbus/bus /tmp/shmbus-0/bus", ""},
		{`os.MkdirTemp("", "shmbus")`, ""},
		{"SHMBUS_DIR=/run/shmbus/ shmbus.h my-shmbus/bus notshmbus/bus shmbus/prices.key", ""},
		{"github.com/other/shmbus/bus", ""},
		{"we require shmbus to work, and replace shmbus.", ""},
		{"shmbus/bus \x00", ""},
	}
	there, back := newRenaming("shmbus", renamed, dirs), newRenaming(renamed, "shmbus", dirs)
	for _, tt := range tests {
		want := tt[1]
		if want == "" {
			want = tt[0]
		}
		got, err := there.text("page.md", []byte(tt[0]))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		again, err := back.text("page.md", got)
		require.NoError(t, err)
		require.Equal(t, tt[0], string(again))
	}
}

func TestImportsAreSorted(t *testing.T) {
	const was = "package p\n\nimport (\n\t_ \"github.com/x/y\"\n\t_ \"shmbus/bus\"\n)\n"
	got, err := newRenaming("shmbus", renamed, dirs).text("p.go", []byte(was))
	require.NoError(t, err)
	require.Equal(t, "package p\n\nimport (\n\t_ \"example.org/x/shmbus/bus\"\n\t_ \"github.com/x/y\"\n)\n", string(got))
}

// repository makes a small one.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module shmbus\n\ngo 1.26.0\n", "bus/bus.go": "package bus\n",
		"cmd/main.go": "package main\n\nimport _ \"shmbus/bus\"\n\nfunc main() {}\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	git(t, dir, "init", "-q")
	git(t, dir, "add", ".")
	git(t, dir, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all")
	return dir
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestRefusals(t *testing.T) {
	dir := repository(t)
	for path, want := range map[string]string{
		"":                        "MODULE=",
		"shmbus":                  "already",
		"example.org/with space":  "cannot be the path of a module",
		"example.org/":            "cannot be the path of a module",
		"https://example.org/bus": "cannot be the path of a module",
		"../bus":                  "cannot be the path of a module",
		"bus/shmbus":              "is a folder here",
		"net/shmbus":              "standard library",
		"example.org/internal/x":  "no other module could import it",
		"example.org/x/v1":        "major version",
		"shmbus/v2":               "major version",
	} {
		require.ErrorContains(t, run(dir, []string{path}), want, "%q", path)
	}
	require.Empty(t, git(t, dir, "status", "--porcelain"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), nil, 0o644))
	require.ErrorContains(t, run(dir, []string{renamed}), "?? new")
	require.NoError(t, os.Remove(filepath.Join(dir, "new")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bus/bus.go"), []byte("package bus // changed\n"), 0o644))
	require.ErrorContains(t, run(dir, []string{renamed}), "bus/bus.go")

	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".git")))
	require.ErrorContains(t, run(dir, []string{renamed}), "git")
}

func TestThereAndBack(t *testing.T) {
	dir := repository(t)
	require.NoError(t, run(dir, []string{renamed}))
	require.Contains(t, git(t, dir, "diff", "--name-only"), "cmd/main.go")
	_, err := command(dir, "go", "build", "./...")
	require.NoError(t, err)
	git(t, dir, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qam", "renamed")
	require.NoError(t, run(dir, []string{"shmbus"}))
	require.Empty(t, git(t, dir, "diff", "HEAD~1"))
}
