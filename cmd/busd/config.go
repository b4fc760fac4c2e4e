package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

const configHelp = `A configuration file has a section for each bus. Its keys are the flags of busd serve that
concern a bus. Keys before the first section apply to all sections, and so do those flags.

  # busd.conf
  mode = 0660                # for all buses
  [prices]
  slots = 16K
  slot-size = 512
  [audit]
  on-removed = recreate

busd serve --check --config FILE checks a file and prints the buses that it describes. It makes
none.

SIGHUP makes busd read the file again. It makes or adopts buses that are new in the file. Buses
that are no longer in the file are left as they are and no longer watched.`

// loadConfig reads a configuration file.
func loadConfig(path string, defaults spec) ([]spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseConfig(f, path, defaults)
}

// parseConfig reads a configuration. Its errors begin with the path and the line number.
func parseConfig(r io.Reader, path string, defaults spec) ([]spec, error) {
	var specs []spec
	// The lines of the sections, and of the keys in the current section.
	sections, keys := map[string]int{}, map[string]int{}
	section := &defaults
	at := func(n int, format string, a ...any) error {
		return cli.Usagef("%s:%d: %w", path, n, fmt.Errorf(format, a...))
	}
	lines := bufio.NewScanner(r)
	n := 1
	for ; lines.Scan(); n++ {
		line := lines.Text()
		if n == 1 {
			line = strings.TrimPrefix(line, "\uFEFF")
		}
		line = strings.TrimSpace(withoutComment(line))
		if line == "" {
			continue
		}
		if line[0] == '[' {
			name, rest, ok := strings.Cut(line[1:], "]")
			if !ok || strings.TrimSpace(withoutComment(rest)) != "" {
				return nil, at(n, "a section is written [NAME], alone on its line")
			}
			name = strings.TrimSpace(name)
			if err := bus.CheckName(name); err != nil {
				return nil, at(n, "%w", err)
			}
			if first, again := sections[name]; again {
				return nil, at(n, "bus %s has a section in line %d already", name, first)
			}
			sections[name] = n
			clear(keys)
			specs = append(specs, defaults)
			section = &specs[len(specs)-1]
			section.Name = name
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, at(n, "%q is neither [NAME] nor key = value", line)
		}
		key = strings.TrimSpace(key)
		if first, again := keys[key]; again {
			return nil, at(n, "%s is set in line %d already: delete one of the two", key, first)
		}
		keys[key] = n
		if err := section.set(key, strings.TrimSpace(value)); err != nil {
			return nil, at(n, "%w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, at(n, "%w", err)
	}
	for _, s := range specs {
		if err := s.check(); err != nil {
			return nil, at(sections[s.Name], "bus %s: %w", s.Name, err)
		}
	}
	return specs, nil
}

// withoutComment cuts off a comment. It begins with a # or ; at the start of the line or after a
// space.
func withoutComment(line string) string {
	for i, c := range line {
		if (c == '#' || c == ';') && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// set stores the value of a key of a configuration file.
func (s *spec) set(key, value string) error {
	keys := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.flags(keys)
	f := keys.Lookup(key)
	if f == nil {
		var names []string
		keys.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		return fmt.Errorf("there is no key %q; there are %s", key, strings.Join(names, ", "))
	}
	if err := f.Value.Set(value); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}
