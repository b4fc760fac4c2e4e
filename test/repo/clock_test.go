package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stamps are the functions in which a time of the wall clock may occur, and why a step of that
// clock does no harm there. Everything else measures with values of time.Now that never left this
// process, which are monotonic.
var stamps = map[string]string{
	"bus/bus.go Created":                        "told to the caller",
	"internal/registry/leftovers.go ownSet":     "whether there is one",
	"internal/members/join.go takeClient":       "written for people",
	"internal/registry/create.go Initialise":    "written for people",
	"internal/registry/lost.go lostBuses":       "told to the caller",
	"bus/message.go Time":                       "told to the caller",
	"internal/registry/present.go stillThere":   "compared with itself: whether a file has changed",
	"bus/publisher.go newRecord":                "written for people",
	"bus/publish.go fillTime":                   "written for the receiver",
	"bus/snapshot.go clients":                   "told to the caller",
	"bus/snapshot.go publishers":                "told to the caller",
	"bus/snapshot.go snapshot":                  "told to the caller",
	"bus/snapshot.go subscribers":               "told to the caller",
	"bus/subscription.go newSubscription":       "written for people",
	"cmd/busd/restore.go writeCandidates":       "printed",
	"cmd/busd/status_text.go daemonText":        "printed",
	"cmd/busd/status_text.go statusHead":        "printed",
	"cmd/busd/status_text.go publisherSection":  "printed",
	"cmd/busd/status_text.go subscriberSection": "printed",
	"cmd/busd/status_text.go clientSection":     "printed",
	"cmd/bussub/render.go appendMsgpackMeta":    "printed",
	"internal/decode/type.go timeOf":            "a value in a message",
	"cmd/internal/codec/special.go":             "a value in a message",
	"internal/members/records.go":               "cleared",
	"internal/segment/segtest/":                 "written for people",
	"bus/status.go SetRates":                    "the same value in both snapshots says that it is the same owner",
	"internal/sysv/table.go Time":               "told to the caller",
	"layout/":                                   "where the stamps are",
}

// wall are names by which a time of the wall clock, or one that another process wrote, is made or
// looked at.
var wall = []string{
	"Unix", "UnixNano", "UnixMicro", "UnixMilli", "Date", "Round", "ModTime", "Stamp",
	"ChangeTime", "OpTime", "AttachTime", "DetachTime",
	"HeaderCreated", "ClientSince", "PubSince", "SubSince", "Created", "Since",
	"CLOCK_REALTIME", "Gettimeofday", "TimeToTimespec", "Utimes", "Chtimes",
}

// No wait, no deadline, no decision about who is alive or may stay depends on the wall clock, which
// may be set at any moment.
func TestWallClockDecidesNothing(t *testing.T) {
	used := map[string]bool{}
	for _, dir := range []string{"bus", "internal", "ring", "layout", "sysvsem", "sysvshm", "sysvmsg", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			name, err := filepath.Rel("../..", path)
			require.NoError(t, err)
			for _, use := range wallTimes(t, path) {
				where := name + " " + use.function
				i := slices.IndexFunc([]string{where, name, filepath.Dir(name) + "/"}, func(k string) bool { return stamps[k] != "" })
				if i < 0 {
					t.Errorf("%s:%d: %s in %s is of the wall clock: use values of time.Now as they are, or say in this test why a step does no harm", name, use.line, use.word, use.function)
					continue
				}
				used[[]string{where, name, filepath.Dir(name) + "/"}[i]] = true
			}
			return nil
		})
		require.NoError(t, err)
	}
	for k := range stamps {
		require.True(t, used[k], "%s uses no wall-clock time any more", k)
	}
}

type wallTime struct {
	function, word string
	line           int
}

// wallTimes returns the uses in a file, but for time.Since, which is monotonic when its argument
// is.
func wallTimes(t *testing.T, path string) (uses []wallTime) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, decl := range f.Decls {
		function := "a declaration"
		if d, ok := decl.(*ast.FuncDecl); ok {
			function = d.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(wall, s.Sel.Name) {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && (x.Name == "time" && s.Sel.Name == "Since" || x.Name == "math") {
				return true
			}
			uses = append(uses, wallTime{function, s.Sel.Name, files.Position(s.Pos()).Line})
			return true
		})
	}
	return uses
}

// What is searched for is found.
func TestWallTimesAreFound(t *testing.T) {
	for i, body := range []string{
		"if time.Now().UnixNano() > deadline { evict() }",
		"if st.ModTime().After(other) { remove() }",
		"if snapshot.Clients[0].Since.Before(x) { bury() }",
		"unix.ClockGettime(unix.CLOCK_REALTIME, &ts)",
		"return time.Since(time.Unix(0, load(word)))",
		"deadline := now.Round(0).Add(d)",
	} {
		path := filepath.Join(t.TempDir(), strconv.Itoa(i)+".go")
		require.NoError(t, os.WriteFile(path, []byte("package p\nfunc f() {\n"+body+"\n}\n"), 0o600))
		require.NotEmpty(t, wallTimes(t, path), body)
	}
}
