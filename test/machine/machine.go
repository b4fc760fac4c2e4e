// Package machine shows tests the machine code of functions, as compiled for any architecture:
// whether a memory barrier stands where a memory model asks for it is seen there, and no run on one
// machine proves it.
package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A Program is the linked test binary of a package, with what the package imports.
type Program struct {
	file string
}

// Build compiles the tests of the package with the given import path for an architecture.
func Build(t testing.TB, goarch, path string) Program {
	t.Helper()
	look(t, path)
	p := Program{filepath.Join(t.TempDir(), filepath.Base(path)+".test")}
	cmd := exec.Command("go", "test", "-c", "-o", p.file, path)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	return p
}

// look opens the sources that the program is made of. So go test knows that they matter, and that a
// result that it has is of others: code that is for another architecture changes no binary of this
// one.
func look(t testing.TB, path string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-test", "-f", "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}", path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	for _, dir := range strings.Fields(string(out)) {
		for _, pattern := range []string{"*.go", "*.s"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if _, err := os.ReadFile(f); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

var (
	line   = regexp.MustCompile(`^  \S+\s+0x[0-9a-f]+\s+[0-9a-f]+\s+(.*)$`)
	callee = regexp.MustCompile(`^CALL (\S+?)(\.abi0)?\(SB\)$`)
)

// Code returns the instructions of a function, "shmbus/ring.(*Cursor).Valid", each as "LDAR (R0),
// R0". A call is "CALL" and the full name of what is called.
func (p Program) Code(t testing.TB, function string) []string {
	t.Helper()
	cmd := exec.Command("go", "tool", "objdump", "-s", "^"+regexp.QuoteMeta(function)+`(\.abi0)?$`, p.file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	var code []string
	for l := range strings.Lines(string(out)) {
		m := line.FindStringSubmatch(strings.TrimRight(l, "\t\n "))
		if m == nil {
			continue
		}
		instruction := strings.TrimSpace(m[1])
		code = append(code, callee.ReplaceAllString(instruction, "CALL $1"))
	}
	if len(code) == 0 {
		t.Fatalf("there is no code of %s", function)
	}
	return code
}
