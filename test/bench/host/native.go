package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"shmbus/test/bench/worker"
)

// natives builds the C and C++ workers.
type natives struct {
	sources fs.FS // NAME.c, NAME.cpp, and headers
	cache   string
}

func newNatives(sources fs.FS) (natives, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	dir = filepath.Join(dir, "shmbus-bench")
	return natives{sources, dir}, os.MkdirAll(dir, 0o700)
}

// build returns the path of the program native/NAME, which it compiles unless the same sources were
// compiled before. Flags beside -O2 are those of the lines "// build: …" in the source.
func (n natives) build(name string) (string, error) {
	file, compiler := name+".c", "gcc"
	source, err := fs.ReadFile(n.sources, file)
	if errors.Is(err, fs.ErrNotExist) {
		file, compiler = name+".cpp", "g++"
		source, err = fs.ReadFile(n.sources, file)
	}
	if err != nil {
		return "", fmt.Errorf("there is no native/%s.c or .cpp: %w", name, err)
	}
	headers, err := n.headers()
	if err != nil {
		return "", err
	}
	flags := append([]string{"-O2", "-pthread"}, buildFlags(source)...)
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo") // -march=native depends on it
	key := sha256.New()
	parts := [][]byte{source, []byte(strings.Join(flags, " ")), modelOf(cpuinfo)}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		parts = append(parts, headers[name])
	}
	for _, part := range parts {
		fmt.Fprintf(key, "%d:", len(part))
		key.Write(part)
	}
	path := filepath.Join(n.cache, name+"-"+hex.EncodeToString(key.Sum(nil))[:16])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if _, err := exec.LookPath(compiler); err != nil {
		return "", fmt.Errorf("native/%s: %w: there is no %s", name, worker.ErrSkipped, compiler)
	}
	return path, n.compile(compiler, file, source, headers, flags, path)
}

// headers returns what the programs may include, by name.
func (n natives) headers() (map[string][]byte, error) {
	names, err := fs.Glob(n.sources, "*.h")
	if err != nil {
		return nil, err
	}
	headers := map[string][]byte{}
	for _, name := range names {
		if headers[name], err = fs.ReadFile(n.sources, name); err != nil {
			return nil, err
		}
	}
	return headers, nil
}

func (n natives) compile(compiler, file string, source []byte, headers map[string][]byte, flags []string, path string) error {
	dir, err := os.MkdirTemp(n.cache, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, file), source, 0o600); err != nil {
		return err
	}
	for name, header := range headers {
		if err := os.WriteFile(filepath.Join(dir, name), header, 0o600); err != nil {
			return err
		}
	}
	made := filepath.Join(dir, "program")
	// Libraries come behind what needs them.
	args := append([]string{"-o", made, filepath.Join(dir, file)}, flags...)
	out, err := exec.Command(compiler, args...).CombinedOutput()
	if err != nil {
		if what := missing(out); what != "" {
			return fmt.Errorf("native/%s: %w: %s", file, worker.ErrSkipped, what)
		}
		return fmt.Errorf("%s %s: %w\n%s", compiler, file, err, out)
	}
	return os.Rename(made, path)
}

// missing returns the line of a compiler's output that says that a library is not installed.
func missing(out []byte) string {
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("No such file or directory")) || bytes.Contains(line, []byte("cannot find -l")) {
			if _, what, ok := bytes.Cut(line, []byte("error: ")); ok {
				line = what
			}
			return string(bytes.TrimSpace(line))
		}
	}
	return ""
}

func buildFlags(source []byte) (flags []string) {
	for line := range strings.Lines(string(source)) {
		if rest, ok := strings.CutPrefix(line, "// build:"); ok {
			flags = append(flags, strings.Fields(rest)...)
		}
	}
	return flags
}

// modelOf returns the first processor's lines that say what it can do.
func modelOf(cpuinfo []byte) []byte {
	var b []byte
	for line := range bytes.Lines(cpuinfo) {
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		for _, key := range []string{"model name", "flags", "Features", "CPU part"} {
			if bytes.HasPrefix(line, []byte(key)) {
				b = append(b, line...)
			}
		}
	}
	return b
}

// Natives returns the names of the programs in C and C++, as contenders.
func (h *Host) Natives() []string {
	var names []string
	files, _ := fs.ReadDir(h.natives.sources, ".")
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext == ".c" || ext == ".cpp" {
			names = append(names, "native/"+strings.TrimSuffix(f.Name(), ext))
		}
	}
	return names
}
