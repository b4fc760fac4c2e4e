//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// module is a tree with one package, whose test notices some mutations.
func module(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.26\n",
		"p/p.go": "package p\n\nfunc Two() int { return 1 + 1 }\n\nfunc Three() int { return 3 }\n\nvar More = true\n",
		"p/p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif Two() != 2 {\n\t\tt.Error(Two())\n\t}\n\tif !More {\n\t\tselect {}\n\t}\n}\n\n" +
			"func TestFails(t *testing.T) { t.Error(\"always\") }\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func two(before, after string) mutation {
	return mutation{name: before, file: "p/p.go", before: before, after: after, pkg: "./p", run: "TestTwo"}
}

func TestVerdicts(t *testing.T) {
	root := module(t)
	tree, err := newTree(root)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, tree.remove())
		require.NoDirExists(t, tree.dir)
	}()
	for _, c := range []struct {
		mutation
		want string
		err  bool
	}{
		{two("1 + 1", "1 + 2"), "caught", false},
		{two("return 3", "return 4"), "SURVIVES", true},
		{two("return 3", "return three"), "NO BUILD", true},
		{two("More = true", "More = false"), "caught", false}, // it hangs
	} {
		var out strings.Builder
		err := hunt(t.Context(), tree, []mutation{c.mutation}, 2*time.Second, &out)
		require.Equal(t, c.err, err != nil, "%v\n%s", err, &out)
		require.Contains(t, out.String(), c.want)
		if c.want == "caught" {
			require.Contains(t, out.String(), "1 mutations, 1 caught")
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "p/p.go"))
	require.NoError(t, err)
	require.Contains(t, string(text), "1 + 1", "the tree itself stays as it is")
	copied, err := os.ReadFile(filepath.Join(tree.dir, "p/p.go"))
	require.NoError(t, err)
	require.Equal(t, text, copied, "each mutation is taken back")

	// Tests that fail anyway, or are not there, say nothing about a mutation.
	for run, want := range map[string]string{"TestFails": "though nothing is mutated", "TestNone": "has no test TestNone"} {
		m := two("1 + 1", "1 + 2")
		m.run = run
		require.ErrorContains(t, hunt(t.Context(), tree, []mutation{m}, 2*time.Second, &strings.Builder{}), want)
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, hunt(ended, tree, []mutation{two("1 + 1", "1 + 2")}, time.Second, &strings.Builder{}), context.Canceled)
}

func TestMutationsThatNoLongerApply(t *testing.T) {
	root := module(t)
	require.NoError(t, applies(root, []mutation{two("1 + 1", "")}))
	require.ErrorContains(t, applies(root, []mutation{two("1 + 2", "")}), "there 0 times")
	require.ErrorContains(t, applies(root, []mutation{two("return", "")}), "there 2 times")
	require.Error(t, applies(root, []mutation{{file: "p/gone.go"}}))
}

// The table is one of different mutations, which apply to the tree as it is, and say what they take
// out and which test is to notice it; some are tried for each change.
func TestTable(t *testing.T) {
	require.NoError(t, applies("../..", table))
	names := map[string]bool{}
	for _, m := range table {
		require.NotEmpty(t, m.name)
		require.False(t, names[m.name], m.name)
		names[m.name] = true
		require.NotEqual(t, m.before, m.after, m.name)
		require.NotEmpty(t, m.pkg, m.name)
		require.NotEmpty(t, m.run, m.name)
	}
	require.NotEmpty(t, choose(table, true, ""))
	require.Len(t, choose(table, false, table[0].name), 1)
	require.Empty(t, choose(table, false, "no such protection"))
}
