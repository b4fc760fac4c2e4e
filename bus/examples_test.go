package bus

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// noExample are exported functions that are no way in, with the reason.
var noExample = map[string]string{
	"CheckName": "it says what is wrong with an argument", "CheckTopic": "the same", "CheckPattern": "the same",
	"Dirs": "it is told, not done",
}

// waysIn are the types through whose methods a program works on a bus.
var waysIn = map[string]bool{"Bus": true, "Observer": true, "Publisher": true, "Subscription": true, "Reservation": true}

// Every way in has an example, which is run: every function that is not an option, and every method
// that takes a context or returns an error, but for Close.
func TestEveryWayInHasAnExample(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	files := token.NewFileSet()
	var product, tests []*ast.File
	for _, path := range paths {
		f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
		require.NoError(t, err)
		if strings.HasSuffix(path, "_test.go") {
			tests = append(tests, f)
		} else {
			product = append(product, f)
		}
	}
	have := map[string]bool{}
	for _, e := range doc.Examples(tests...) {
		assert.True(t, e.Output != "" || e.EmptyOutput, "Example%s is not run", e.Name)
		name, variant, ok := strings.Cut(e.Name, "_")
		if ok && variant != "" && ast.IsExported(variant) {
			method, _, _ := strings.Cut(variant, "_")
			name += "." + method
		}
		have[name] = true
	}
	found := 0
	for _, f := range product {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			name := fn.Name.Name
			if fn.Recv == nil {
				if noExample[name] != "" || isOption(fn) {
					continue
				}
			} else {
				receiver := fn.Recv.List[0].Type
				if star, ok := receiver.(*ast.StarExpr); ok {
					receiver = star.X
				}
				of, ok := receiver.(*ast.Ident)
				if !ok || !waysIn[of.Name] || name == "Close" || name == "Kept" || !does(fn) {
					continue
				}
				name = of.Name + "." + name
			}
			found++
			assert.True(t, have[name], "%s has no example", name)
		}
	}
	assert.Greater(t, found, 35)
}

// isOption reports whether a function returns an option only.
func isOption(fn *ast.FuncDecl) bool {
	if fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
		return false
	}
	id, ok := fn.Type.Results.List[0].Type.(*ast.Ident)
	return ok && strings.HasSuffix(id.Name, "Option")
}

// does reports whether a method takes a context or returns an error.
func does(fn *ast.FuncDecl) bool {
	for _, p := range fn.Type.Params.List {
		if s, ok := p.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
			return true
		}
	}
	if fn.Type.Results == nil {
		return false
	}
	for _, r := range fn.Type.Results.List {
		if id, ok := r.Type.(*ast.Ident); ok && id.Name == "error" {
			return true
		}
	}
	return false
}
