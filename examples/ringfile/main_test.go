//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/examples/internal/program"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// writer starts a process that writes what is written to the pipe.
func writer(t *testing.T, file string) (*program.Program, io.WriteCloser) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	defer r.Close() // only the process has it, so that a write fails where the process has
	return program.StartWith(t, r, "write", file), w
}

// Two processes write side by side, one ends and one is killed, and a third reads what they wrote:
// all of it, each writer's lines in their order.
func TestReadAfterBothHaveEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ring")
	ends, first := writer(t, file)
	killed, second := writer(t, file)
	for i := range 400 {
		fmt.Fprintf(first, "first %d\n", i)
		fmt.Fprintf(second, "second %d\n", i)
	}
	for end := time.Now().Add(30 * time.Second); len(lines(t, file)) < 800; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines in the ring", len(lines(t, file)))
		}
	}
	first.Close()
	ends.End()
	_ = killed.Process.Kill()
	_ = killed.Wait()

	next, records := map[string]int{}, map[string]string{}
	for i, line := range lines(t, file) {
		var position, n int
		var record, name string
		if _, err := fmt.Sscanf(line, "%d writer %s %s %d", &position, &record, &name, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if position != i || n != next[name] {
			t.Errorf("%q is where position %d and number %d were to be", line, i, next[name])
		}
		next[name]++
		records[record] = name
	}
	if next["first"] != 400 || next["second"] != 400 || len(records) != 2 {
		t.Errorf("read %v, of writers %v", next, records)
	}
}

// The ring holds the last lines, and records of the dead are used again.
func TestLastLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ring")
	for i := range 6 {
		p, w := writer(t, file)
		for j := range 500 {
			fmt.Fprintf(w, "%d.%d %s\n", i, j, strings.Repeat("x", j))
		}
		w.Close()
		p.End()
	}
	all := lines(t, file)
	if len(all) != geometry.Slots {
		t.Fatalf("%d lines, not %d", len(all), geometry.Slots)
	}
	if want := fmt.Sprintf("%d writer", 6*500-geometry.Slots); !strings.HasPrefix(all[0], want) {
		t.Errorf("the first line is %q", all[0])
	}
	if last := all[len(all)-1]; !strings.Contains(last, ": 5.499 xxx") {
		t.Errorf("the last line is %q", last)
	}
}

func TestWhatIsNoRing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"read", "write"} {
		if err := run([]string{what, file}, strings.NewReader(""), io.Discard); err == nil || !strings.Contains(err.Error(), "no ring file") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTooManyWriters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ring")
	var pipes []io.Writer
	for range geometry.Publishers {
		_, w := writer(t, file)
		fmt.Fprintln(w, "here")
		pipes = append(pipes, w)
	}
	for end := time.Now().Add(30 * time.Second); len(lines(t, file)) < len(pipes); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not all writers write")
		}
	}
	if err := run([]string{"write", file}, strings.NewReader("no\n"), io.Discard); err == nil || !strings.Contains(err.Error(), "4 writers already") {
		t.Errorf("one more writer: %v", err)
	}
}

// lines returns what a process reads.
func lines(t *testing.T, file string) []string {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	p := program.Start(t, "read", file)
	var all []string
	for line := p.Line(); line != ""; line = p.Line() {
		all = append(all, line)
	}
	p.End()
	return all
}
