package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/fault"
)

// pointless are the functions that change what other processes see, and have no point of package
// fault of their own.
var pointless = map[string]string{
	"ring.FillWord":           "the slot is its publisher's alone",
	"ring.FormatAt":           "create.formatted stands behind it",
	"ring.OpenGate":           "one compare-and-swap; each of its callers has a point behind it",
	"ring.ForgetGate":         "one instruction; wipe.list stands behind it",
	"ring.SetNext":            "one store of its owner's cursor; its callers have points",
	"ring.Advance":            "one store of its owner's cursor; receive.taken stands behind it",
	"ring.withdraw":           "one store of its owner's record, which says again what is so; room.looked stands behind it",
	"ring.copyIn":             "the slot is its publisher's alone",
	"sleep.fallAsleep":        "one store; sleep.word and room.asleep stand behind it",
	"sleep.change":            "one compare-and-swap; a point follows it in each caller, or in theirs",
	"registry.OpenKey":        "segment.Attach has one",
	"registry.Restore":        "it reads",
	"fence.Store":             "an ordering, not a step",
	"fence.StoreRelease":      "an ordering, not a step",
	"inspect.attached":        "segment.Attach has one",
	"bus.Remove":              "registry.Remove has points",
	"segment.TakeFrom":        "one compare-and-swap; its callers have points behind it",
	"segment.RaiseHigh":       "one compare-and-swap; publisher.taken and subscribe.taken stand before it",
	"segment.SemError":        "one store that says what is so already",
	"sleep.Post":              "one system call; wake.posted stands behind it",
	"members.ringBell":        "one system call; its callers have points behind it",
	"bus.newRecord":           "counts for people; publisher.settled stands before it",
	"sleep.WakeUnmatched":     "a version that only grows; publisher.announced stands behind it, and waking has points",
	"topics.Match":            "bits that are only set; subscribe.matched stands behind it",
	"bus.count":               "counts for people",
	"bus.countLoss":           "counts for people",
	"bus.sleep":               "counts for people",
	"sleep.addSub":            "counts for people",
	"bus.exit":                "memory of this process",
	"bus.hold":                "memory of this process",
	"bus.unhold":              "memory of this process",
	"bus.enterHeld":           "memory of this process",
	"bus.enterAlone":          "memory of this process",
	"bus.Publish":             "memory of this process; publish.filled stands behind the encoding",
	"bus.refuseHeld":          "memory of this process",
	"bus.unholdShared":        "memory of this process",
	"bus.finish":              "memory of this process",
	"bus.takeTurn":            "memory of this process",
	"bus.tryTurn":             "memory of this process",
	"bus.waitForTurn":         "memory of this process",
	"bus.pass":                "memory of this process",
	"bus.serve":               "memory of this process",
	"bus.leave":               "memory of this process",
	"bus.doze":                "memory of this process",
	"ring.Skip":               "memory of this process",
	"members.FlushCounts":     "counts for people; wipe.counted and publisher.counted stand behind it",
	"registry.Create":         "what failed is given up; create.announced stands before it",
	"registry.inspectSegment": "it reads",
	"registry.peek":           "it reads",
	"segment.AttachMemory":    "its callers have points behind it",
	"registry.prepare":        "one system call, on a key file of somebody else's; create.locked stands before it",
	"registry.markRemoved":    "one store; create.locked and remove.locked stand before it",
}

// Every function of the protocols that changes what other processes see has a point at which tests
// kill and stop it, or a reason why another one's is enough; and every point is somewhere.
func TestNoStepWithoutPoint(t *testing.T) {
	reached := map[string]bool{}
	excused := maps.Clone(pointless)
	for _, dir := range []string{"ring", "bus", "internal/*"} {
		files, err := filepath.Glob("../../" + dir + "/*.go")
		require.NoError(t, err)
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok {
					continue
				}
				writes, points := steps(fn)
				for _, p := range points {
					reached[p] = true
				}
				name := f.Name.Name + "." + fn.Name.Name
				if len(writes) > 0 && len(points) == 0 {
					delete(excused, name)
					if pointless[name] == "" {
						t.Errorf("%s: %s does %v, and has no fault.At", path, fn.Name.Name, writes)
					}
				}
			}
		}
	}
	require.Len(t, reached, len(fault.Points()), "points that no code comes by, or that are not declared")
	require.Empty(t, slices.Sorted(maps.Keys(excused)), "functions that need no excuse")
}

// steps returns what a function changes for others to see, and the points in it.
func steps(fn *ast.FuncDecl) (writes, points []string) {
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, _ := sel.X.(*ast.Ident)
		switch name := sel.Sel.Name; {
		case from != nil && from.Name == "fault" && name == "At":
			if p, ok := call.Args[0].(*ast.SelectorExpr); ok {
				points = append(points, p.Sel.Name)
			}
		case from != nil && from.Name == "atomic" && !strings.HasPrefix(name, "Load"),
			from != nil && from.Name == "fence" && strings.HasPrefix(name, "Store"),
			name == "TryOp", name == "Op" && from == nil, name == "SetVal", name == "SetAll",
			name == "Remove" && !(from != nil && from.Name == "os"), name == "Attach", name == "write", name == "unlink":
			writes = append(writes, name)
		}
		return true
	})
	return writes, points
}
