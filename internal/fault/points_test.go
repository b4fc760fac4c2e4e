package fault

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// constants returns the points as points.go declares them, in order.
func constants(t *testing.T) []string {
	f, err := parser.ParseFile(token.NewFileSet(), "points.go", nil, 0)
	require.NoError(t, err)
	var all []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if n.IsExported() {
					all = append(all, n.Name)
				}
			}
		}
	}
	return all
}

// A point's name is its identifier, in small letters, the protocol first.
func TestNames(t *testing.T) {
	all := constants(t)
	require.Len(t, all, len(Points()))
	words := regexp.MustCompile(`[A-Z][a-z]*`)
	for i, p := range Points() {
		w := words.FindAllString(all[i], -1)
		require.Equal(t, strings.ToLower(w[0]+"."+strings.Join(w[1:], "-")), p.String())
	}
	require.Equal(t, "unknown", Point(points).String())
}

func TestReadReportOfNobody(t *testing.T) {
	r, err := ReadReport("/nonexistent/file")
	require.NoError(t, err)
	require.False(t, r.Passed || r.Fired)
	require.Empty(t, r.Visits)
}
