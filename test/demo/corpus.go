//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A corpus is a file of JSON lines, made of text that this machine has.
type corpus struct {
	file  *os.File
	lines int
	bytes int64
	from  []string // where the text comes from
}

// errEnough ends the making of a corpus.
var errEnough = errors.New("enough")

// writeCorpus writes the given number of lines, or fewer if there is no more text. bin is the
// demo's own folder.
func writeCorpus(bin string, lines int) (corpus, error) {
	var c corpus
	f, err := nameless()
	if err != nil {
		return c, err
	}
	c.file = f
	w := bufio.NewWriterSize(f, 64<<10)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	add := func(v any) error {
		if c.lines == lines {
			return errEnough
		}
		c.lines++
		return enc.Encode(v)
	}
	for _, part := range []struct {
		from string
		add  func(func(any) error) error
	}{
		{"dpkg's status", func(add func(any) error) error { return packages("/var/lib/dpkg/status", add) }},
		{"Go's sources", func(add func(any) error) error { return tree(goRoot(), ".go", add) }},
		{"the docs", func(add func(any) error) error { return tree(filepath.Join(bin, "..", "docs"), ".md", add) }},
		{"/usr/share", func(add func(any) error) error { return tree("/usr/share", "", add) }},
		{"/proc", func(add func(any) error) error { return text("/proc/self/smaps", add) }},
	} {
		before := c.lines
		err := part.add(add)
		if c.lines > before {
			c.from = append(c.from, part.from)
		}
		if err != nil && !errors.Is(err, errEnough) {
			return c, err
		}
	}
	if err := w.Flush(); err != nil {
		return c, err
	}
	st, err := f.Stat()
	if err != nil {
		return c, err
	}
	c.bytes = st.Size()
	_, err = f.Seek(0, io.SeekStart)
	return c, err
}

// nameless returns a temporary file that is gone with the last process that has it open.
func nameless() (*os.File, error) {
	f, err := os.CreateTemp("", "busdemo-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func goRoot() string {
	for _, dir := range []string{os.Getenv("GOROOT"), "/usr/local/go", "/usr/lib/go", "/usr/share/go"} {
		if _, err := os.Stat(filepath.Join(dir, "src", "fmt")); dir != "" && err == nil {
			return filepath.Join(dir, "src")
		}
	}
	return ""
}

// packages adds an object for each paragraph of Debian's list of packages.
func packages(path string, add func(any) error) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil // not every machine has one
	}
	for _, paragraph := range strings.Split(string(b), "\n\n") {
		fields, key := map[string]string{}, ""
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSuffix(line, "\n")
			if k, v, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, " ") {
				key = k
				fields[key] = strings.TrimSpace(v)
			} else if key != "" {
				fields[key] += "\n" + line
			}
		}
		if len(fields) == 0 || !portable(paragraph) {
			continue
		}
		if err := add(fields); err != nil {
			return err
		}
	}
	return nil
}

// tree adds the lines of the files in a folder.
func tree(dir, suffix string, add func(any) error) error {
	if dir == "" {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		return text(path, add)
	})
}

// text adds the lines of a file.
func text(path string, add func(any) error) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	if bytes.IndexByte(head[:n], 0) >= 0 {
		return nil // no text
	}
	lines := bufio.NewScanner(io.MultiReader(bytes.NewReader(head[:n]), f))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if !portable(lines.Text()) {
			continue
		}
		err := add(struct {
			File string `json:"file"`
			Line int    `json:"line"`
			Text string `json:"text"`
		}{path, n, lines.Text()})
		if err != nil {
			return err
		}
	}
	return nil
}

// portable reports whether all writers of JSON write the text with the same bytes.
func portable(s string) bool { return utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029") }

// A comparison is how two files compare.
type comparison struct {
	lines     int   // that are the same, from the start
	bytes     int64 // of them
	identical bool
}

// compare compares byte for byte. It leaves the positions in the files as they are: others read and
// write there.
func compare(want, got *os.File) (comparison, error) {
	var c comparison
	a, err := contents(want)
	if err != nil {
		return c, err
	}
	b, err := contents(got)
	if err != nil {
		return c, err
	}
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	same := a[:bytes.LastIndexByte(a[:n], '\n')+1]
	return comparison{lines: bytes.Count(same, []byte("\n")), bytes: int64(len(same)), identical: bytes.Equal(a, b)}, nil
}

func contents(f *os.File) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, 0, st.Size()))
}
