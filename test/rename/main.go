// Command rename gives the repository's module another path, for who imports it from a host of
// their own:
//
//	make rename MODULE=example.org/x/shmbus
//
// It changes every file that git tracks: the modules of the repository, imports, names of packages
// and symbols in tests and pages, and the lines of go.mod that pages show. The product goes on to
// be called shmbus, and so do its folders and environment variables. The current path is read from
// go.mod, so that a renamed repository can be renamed again.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(".", os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "rename: %v\n", err)
		os.Exit(1)
	}
}

func run(dir string, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("name the module's new path: make rename MODULE=example.org/x/shmbus")
	}
	old, err := command(dir, "go", "list", "-m")
	if err != nil {
		return err
	}
	tracked, err := command(dir, "git", "ls-files", "-z")
	if err != nil {
		return fmt.Errorf("%w: rename works on what git tracks", err)
	}
	files := strings.Split(strings.TrimSuffix(tracked, "\x00"), "\x00")
	r := newRenaming(strings.TrimSpace(old), args[0], folders(files))
	if err := r.check(dir); err != nil {
		return err
	}
	changes, err := command(dir, "git", "status", "--porcelain")
	if err != nil {
		return err
	}
	if changes != "" {
		return fmt.Errorf("there are uncommitted changes, which git diff would mix with the renaming: "+
			"commit them or put them aside first:\n%s", strings.TrimRight(changes, "\n"))
	}
	n, err := r.files(dir, files)
	if err != nil {
		return fmt.Errorf("%w (git checkout . undoes what was changed)", err)
	}
	fmt.Printf("%s is now %s, in %d files: see git diff, and try make check test\n",
		r.old, r.new, n)
	return nil
}

// A renaming is from one path to another.
type renaming struct {
	old, new string
	folders  []string // of the top level
	is       []*regexp.Regexp
}

// newRenaming knows where a path is that of the module, and not a part of another, or of a file's.
// What it looks like is said here once.
func newRenaming(old, new string, folders []string) *renaming {
	var quoted []string
	for _, f := range folders {
		quoted = append(quoted, regexp.QuoteMeta(f))
	}
	path := "(?P<path>" + regexp.QuoteMeta(old) + ")"
	r := &renaming{old: old, new: new, folders: folders}
	for _, pattern := range []string{
		// A package, or the beginning of one in a string or a regular expression.
		`(?:^|[^\w./~$}\\-])` + path + `/(?:(?:` + strings.Join(quoted, "|") + `)\b|["'\x60]|\(\?:)`,
		`\\b` + path + `/`,
		// go.mod, and its lines in pages.
		`(?m:^)module ` + path + `(?:\s|$)`,
		`(?:^|[\s\x60(])require ` + path + ` v[0-9]`,
		`(?m:^)\s*` + path + ` v[0-9]`,
		`(?:^|[\s\x60])` + path + ` =>`,
		`-(?:require|replace|module)=` + path + `(?:[@=\s]|$)`,
		`(?:^|[\s\x60"])` + path + `@(?:v[0-9]|latest|main)`,
	} {
		r.is = append(r.is, regexp.MustCompile(pattern))
	}
	return r
}

// check refuses a path that Go does not take, or that means something else.
// majorVersion is the last element of the path of a module from version 2 on. Go refuses v0 and v1.
var majorVersion = regexp.MustCompile(`^v\d+$`)

func (r *renaming) check(dir string) error {
	if r.new == r.old {
		return fmt.Errorf("the module has the path %s already", r.old)
	}
	if _, err := command(dir, "go", "mod", "edit", "-module="+r.new, "-print"); err != nil {
		return fmt.Errorf("%q cannot be the path of a module: %w", r.new, err)
	}
	first, _, _ := strings.Cut(r.new, "/")
	elements := strings.Split(r.new, "/")
	switch {
	case slices.Contains(elements, "internal"):
		return fmt.Errorf("%q has the element internal: no other module could import it", r.new)
	case majorVersion.MatchString(elements[len(elements)-1]):
		return fmt.Errorf("%q ends with a major version: leave it out, this is version 0", r.new)
	}
	if slices.Contains(r.folders, first) {
		return fmt.Errorf("%q begins with %s, which is a folder here: use the path at which others "+
			"will find the module", r.new, first)
	}
	root, err := command(dir, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(strings.TrimSpace(root), "src", first)); err == nil {
		return fmt.Errorf("%q begins with %s, which belongs to Go's standard library: begin with the "+
			"name of a host", r.new, first)
	}
	return nil
}

// files changes the files and returns how many it has changed.
func (r *renaming) files(dir string, names []string) (n int, err error) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		st, err := os.Lstat(path)
		if err != nil {
			return n, err
		}
		if !st.Mode().IsRegular() || strings.HasPrefix(name, "test/rename/") {
			continue // this program's test knows paths that are to stay
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return n, err
		}
		changed, err := r.text(name, text)
		if err != nil {
			return n, fmt.Errorf("%s: %w", name, err)
		}
		if bytes.Equal(text, changed) {
			continue
		}
		if err := os.WriteFile(path, changed, st.Mode().Perm()); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// text returns a file's contents with the new path.
func (r *renaming) text(name string, text []byte) ([]byte, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return text, nil // not a text
	}
	var at [][]int
	for _, is := range r.is {
		// A character may be the end of one path and the one before the next.
		for from := 0; ; {
			m := is.FindSubmatchIndex(text[from:])
			if m == nil {
				break
			}
			at = append(at, []int{from + m[2], from + m[3]})
			from += m[3]
		}
	}
	if at == nil {
		return text, nil
	}
	slices.SortFunc(at, slices.Compare)
	at = slices.CompactFunc(at, slices.Equal)
	var out bytes.Buffer
	done := 0
	for _, path := range at {
		out.Write(text[done:path[0]])
		out.WriteString(r.new)
		done = path[1]
	}
	out.Write(text[done:])
	if !strings.HasSuffix(name, ".go") {
		return out.Bytes(), nil
	}
	return format.Source(out.Bytes()) // imports are sorted
}

// folders returns the folders of the top level.
func folders(files []string) []string {
	var all []string
	for _, f := range files {
		dir, _, ok := strings.Cut(f, "/")
		if ok && !strings.HasPrefix(dir, ".") && !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	return all
}

// command returns what a command prints, or an error that is what it says.
func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return "", errors.New(strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}
