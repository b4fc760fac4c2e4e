//go:build linux

package docs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"shmbus/internal/leak"
)

const root = "../.."

// limit is how long a block may take.
const limit = 5 * time.Minute

// bin is a folder with the commands as make build makes them.
var bin string

func TestMain(m *testing.M) { leak.Main(withCommands{m}) }

type withCommands struct{ *testing.M }

func (w withCommands) Run() int {
	dir, err := os.MkdirTemp("", "docs-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = filepath.Join(dir, "bin")
	build := exec.Command("make", "-s", "-C", root, "build", "BIN="+bin)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "make build: %v\n%s", err, out)
		return 1
	}
	return w.M.Run()
}

// A block is a fenced piece of a page.
type block struct {
	page, language, text string
	line                 int
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// pages returns the pages of the repository, by their paths from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	var paths []string
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || path == "bin" || d.Name() == "out"):
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			paths = append(paths, path)
		}
		return nil
	})
	require.NoError(t, err)
	texts := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		texts[path] = string(text)
	}
	return texts
}

// blocks returns the fenced blocks of README and docs.
func blocks(t *testing.T) []block {
	t.Helper()
	var list []block
	for page, text := range pages(t) {
		var open *block
		indent := ""
		n := 0
		for line := range strings.Lines(text) {
			n++
			fence := strings.TrimSpace(line)
			switch {
			case open == nil && strings.HasPrefix(fence, "```"):
				indent = line[:strings.Index(line, "`")]
				open = &block{page: page, language: strings.TrimPrefix(fence, "```"), line: n}
			case open != nil && fence == "```":
				list = append(list, *open)
				open = nil
			case open != nil:
				open.text += strings.TrimPrefix(line, indent)
			}
		}
		require.Nil(t, open, "%s: a block is not closed", page)
	}
	slices.SortFunc(list, func(a, b block) int { return strings.Compare(a.page, b.page)*1_000_000 + a.line - b.line })
	return list
}

// A session says what a block of shell commands is run with.
type session struct {
	notRun string // why it cannot be run here
	before string // commands that make what the page takes for granted
	after  string // commands that remove what the block leaves on purpose
	prints string // what it prints, a regular expression
	ends   bool   // by itself; otherwise it is ended when it has printed that
	goes   string // a file into which the program in Go on the same page is written before
	root   bool   // it needs root, and gets folders and groups of its own
}

// sessions are by the first line of the block. A block that is not here fails the test.
var sessions = map[string]session{
	"make demo     # builds everything and runs the demo: 12 seconds, leaves nothing behind": {
		notRun: "make test runs this test; make demo is test/demo, which has a test of its own",
	},
	"$ make            # prints what there is to make":                                                                          {notRun: "make test runs this test"},
	"make bench          # all tables, three to five minutes":                                                                   {notRun: "minutes; test/bench has tests of its own"},
	"make bench                      # all tables, some minutes":                                                                {notRun: "as above"},
	"bin/bench pair --a shmbus:size=48 --b native/ring:size=48":                                                                 {notRun: "as above"},
	"git worktree add /tmp/old COMMIT                         # the build to compare with, with the benchmarks as they are now": {notRun: "as above"},
	"go test -c -o /tmp/new.test ./bus && (cd /tmp/old && go test -c -o /tmp/old.test ./bus)":                                   {notRun: "as above"},
	"make examples                             # in the folder above: runs the tests of all":                                    {notRun: "the examples have tests of their own"},
	"cd quotes && go mod init quotes": {
		goes: "quotes/main.go", prints: `(?m)^eu\.equities\.SAP \{101\.5 101\.6\} <nil>$`, ends: true, after: "busd rm prices",
	},
	"bin/busd create prices                                   # returns when the bus exists": {
		prints: `(?s)prices made: .*\{"bid":101\.5\}.*prices: live, .*publishers: 0 of 64.*eu\.>`, ends: true,
	},
	"bin/busd create logs": {
		before: `printf '{"status":200}\n{"status":404}\n' > access.json`, prints: `(?m)^200\n404$`, after: "bin/busd rm --force logs",
	},
	"busd create prices --mode 0660 --group prices            # as root, or as a member": {
		root: true, before: `echo prices:x:64321: >> /etc/group; mount -t tmpfs tmpfs /srv`,
		after:  `busd rm prices; SHMBUS_DIR=/srv/prices busd ls; SHMBUS_DIR=/srv/prices busd rm prices`,
		prints: `(?s)prices made.*prices made.*prices +live .* 0660 +root:prices +/srv/prices `, ends: true,
	},
	"busd ls                  # the buses, and the state that each is in": {
		before: "busd create prices --quiet", prints: `(?s)prices +live .*0 problems`, ends: true,
	},
}

// What a reader pastes works: every block of shell commands is run, as it stands, in a fresh folder
// in which make build has been; no command of it fails.
func TestBlocks(t *testing.T) {
	used := map[string]bool{}
	for _, b := range blocks(t) {
		if !slices.Contains([]string{"sh", "bash", "console", "shell"}, b.language) {
			continue
		}
		first, _, _ := strings.Cut(b.text, "\n")
		s, ok := sessions[first]
		if !ok {
			t.Errorf("%v: say in sessions how this block is run: %q", b, first)
			continue
		}
		used[first] = true
		if s.notRun != "" {
			continue
		}
		t.Run(b.String(), func(t *testing.T) { paste(t, b, s) })
	}
	for first := range sessions {
		require.True(t, used[first], "no page has the block %q any more", first)
	}
}

// paste runs a block of shell commands.
func paste(t *testing.T, b block, s session) {
	if s.root && os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink(bin, filepath.Join(dir, "bin")))
	var env []string
	if s.goes != "" { // beside the repository, and without the network: what it needs is in the cache of modules
		top, err := filepath.Abs(root)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(top, filepath.Join(dir, "shmbus")))
		require.NoError(t, os.Mkdir(filepath.Join(dir, filepath.Dir(s.goes)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, s.goes), []byte(program(t, b.page)), 0o600))
		env = []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	before := s.before
	if s.root { // what is mounted here nobody else sees
		before = "mount --make-rprivate /; cp /etc/group group; mount --bind group /etc/group; " + before
	}
	script := "set -e\n" + before + "\n" + b.text + "\n"
	if s.ends {
		script += s.after
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SHMBUS_DIR="+filepath.Join(dir, "keys"), "SHMBUS_BUS=", "PATH="+bin+":"+os.Getenv("PATH"))
	cmd.Env = append(cmd.Env, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.root {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
	}
	var out output
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	killAll := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = func() error { killAll(); return nil }
	require.NoError(t, cmd.Start())
	prints := regexp.MustCompile(s.prints)
	if s.ends {
		err := cmd.Wait()
		killAll()
		require.NoError(t, err, out.String())
		require.Regexp(t, prints, out.String())
		return
	}
	require.Eventually(t, func() bool { return prints.MatchString(out.String()) }, limit, 10*time.Millisecond, "prints what it should")
	killAll()
	_ = cmd.Wait()
	after := exec.Command("bash", "-ec", s.after)
	after.Dir, after.Env = dir, cmd.Env
	said, err := after.CombinedOutput()
	require.NoError(t, err, string(said))
}

// program returns the program in Go of a page.
func program(t *testing.T, page string) string {
	t.Helper()
	for _, b := range blocks(t) {
		if b.page == page && isProgram(b) {
			return b.text
		}
	}
	require.Fail(t, "there is no program in Go", page)
	return ""
}

func isProgram(b block) bool {
	return b.language == "go" && strings.HasPrefix(b.text, "package main\n")
}

// What a page shows in Go is compiled and run: a program by the shell commands after it, and
// anything else as a part of an example of snippets/, with the same lines in the same order.
func TestGoBlocks(t *testing.T) {
	var snippets []string
	files, err := filepath.Glob("snippets/*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		snippets = append(snippets, unindented(string(text)))
	}
	for _, b := range blocks(t) {
		if b.language == "" && b.page == "docs/values.md" { // what an example prints
			b.text = "// " + b.text
		} else if b.language != "go" || isProgram(b) {
			continue
		}
		found := slices.ContainsFunc(snippets, func(s string) bool { return strings.Contains(s, "\n"+unindented(b.text)) })
		require.True(t, found, "%v is not in test/docs/snippets:\n%s", b, b.text)
	}
}

// unindented returns text without the space at the beginning and end of each line.
func unindented(text string) string {
	var s strings.Builder
	for line := range strings.Lines(text) {
		s.WriteString(strings.TrimSpace(line) + "\n")
	}
	return s.String()
}

// The versions that README's go.mod lines, CHANGELOG and the commands name are one.
func TestVersion(t *testing.T) {
	out, err := exec.Command(filepath.Join(bin, "busd"), "version").Output()
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^## \[(\S+)\]`).FindStringSubmatch(pages(t)["CHANGELOG.md"])
	require.NotNil(t, m)
	require.True(t, strings.HasPrefix(string(out), "busd v"+m[1]+" "), "%s, and CHANGELOG begins with %s", out, m[1])
}

// Files that a page names in links are there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#: ]+)(?:#[^)]*)?\)`)
	n := 0
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			n++
			_, err := os.Stat(filepath.Join(root, filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s: %s", page, m[0])
		}
	}
	require.Greater(t, n, 20)
}

// The tests that a page names are there, so that a promise does not lose its test by a rename.
// Where a page names the package before the tests, "bus: `TestOneOrder`, …", they are in that.
func TestNamedTests(t *testing.T) {
	source := map[string]string{} // by package
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		pkg, _ := filepath.Rel(root, filepath.Dir(path))
		source[pkg] += string(text)
		source[""] += string(text)
		return err
	})
	require.NoError(t, err)
	const name = "`((?:Test|Fuzz)(?:…?[A-Z]\\w*)?…?)`"
	named := regexp.MustCompile(name)
	group := regexp.MustCompile(`(?:([a-z][a-z/]*): )?` + name + `(?:(?: \([^)]*\))?,? ` + name + `)*`)
	n := 0
	for page, text := range pages(t) {
		for _, g := range group.FindAllStringSubmatch(text, -1) {
			require.NotEmpty(t, source[g[1]], "%s: there is no package %s with tests", page, g[1])
			for _, m := range named.FindAllStringSubmatch(g[0], -1) {
				n++
				there := regexp.MustCompile(`(?m)^func ` + strings.ReplaceAll(m[1], "…", `\w+`) + `\(`)
				require.True(t, there.MatchString(source[g[1]]), "%s names %s in package %q, and there is none", page, m[1], g[1])
			}
		}
	}
	require.Greater(t, n, 50)
}

// Prose has at most 100 columns, but for tables, blocks of code, and what cannot be broken.
func TestProseIsNarrow(t *testing.T) {
	for page, text := range pages(t) {
		code, n := false, 0
		for line := range strings.Lines(text) {
			n++
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(strings.TrimSpace(line), "```"):
				code = !code
			case code || strings.HasPrefix(line, "|") || strings.HasPrefix(line, "!["):
			default:
				require.LessOrEqual(t, utf8.RuneCountInString(line), 100, "%s:%d: %s", page, n, line)
			}
		}
	}
}

// output may be written to and read at the same time.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// The commands, and the targets of make, that a page names in a line of text exist, with the flags that it gives them.
func TestCommandsInText(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	code := regexp.MustCompile("`(?:bin/)?((?:busd|buspub|bussub|make) [^`]*)`")
	n := 0
	for page, text := range pages(t) {
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			n++
			words := strings.Fields(m[1])
			if words[0] == "make" {
				require.Regexp(t, `(?m)^`+regexp.QuoteMeta(words[1])+`:`, string(makefile), "%s: %s", page, m[0])
				continue
			}
			for i, word := range words {
				if word == "GROUP" {
					words[i] = "0"
				}
			}
			// A placeholder may stand for an argument: with --help nobody looks at them, but at the
			// flags.
			for _, flag := range []string{"--group", "--numbers", "--mode", "-b"} {
				if words[len(words)-1] == flag {
					words = words[:len(words)-1]
				}
			}
			var out bytes.Buffer
			cmd := exec.Command(filepath.Join(bin, words[0]), append(words[1:], "--help")...)
			cmd.Stdout, cmd.Stderr = &out, &out
			require.NoError(t, cmd.Run(), "%s: %s\n%s", page, m[0], out.String())
		}
	}
	require.Greater(t, n, 20)
}

// The unit file of the manual starts at boot, and its busd takes the flags that it is given and the
// example of a configuration.
func TestUnitFile(t *testing.T) {
	for _, b := range blocks(t) {
		if b.language != "ini" || !strings.Contains(b.text, "ExecStart=") {
			continue
		}
		require.Contains(t, b.text, "\n[Install]\nWantedBy=multi-user.target\n")
		config := filepath.Join(t.TempDir(), "busd.conf")
		require.NoError(t, os.WriteFile(config, []byte(exampleConfig(t)), 0o600))
		for _, key := range []string{"ExecStartPre", "ExecStart"} {
			m := regexp.MustCompile(`(?m)^` + key + `=/usr/local/bin/busd (.*)$`).FindStringSubmatch(b.text)
			require.NotNil(t, m, key)
			args := strings.Fields(strings.ReplaceAll(m[1], "/etc/busd.conf", config))
			out, err := exec.Command(filepath.Join(bin, "busd"), append(args, "--check")...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "prices: 16384 slots of 512 bytes")
		}
		return
	}
	require.Fail(t, "there is no unit file")
}

// exampleConfig returns the example of busd serve --help.
func exampleConfig(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "busd"), "serve", "--help").Output()
	require.NoError(t, err)
	m := regexp.MustCompile(`(?s)\n  # busd\.conf\n.*?\n\n`).Find(out)
	require.NotNil(t, m)
	return string(m)
}

// The commands need no library of the system.
func TestCommandsAreStatic(t *testing.T) {
	for _, name := range []string{"busd", "buspub", "bussub"} {
		b, err := os.ReadFile(filepath.Join(bin, name))
		require.NoError(t, err)
		require.NotContains(t, string(b), "libc.so", name)
		dir, err := filepath.Abs(root)
		require.NoError(t, err)
		require.NotContains(t, string(b), dir, "%s names a folder of the machine that built it", name)
	}
}
