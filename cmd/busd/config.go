package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"shmbus/bus"
)

const configHelp = `A configuration file lists buses, each with a section; its keys are the flags of busd serve that
are about a bus. Keys before the first section apply to all sections, and so do those flags.

  # busd.conf
  mode = 0660
  [prices]
  slots = 16K
  slot-size = 512
  [audit]
  on-removed = recreate

SIGHUP rereads it: buses that are new in it are made or adopted, those that are gone from it
are left as they are and no longer watched.`

// loadConfig reads a configuration file.
func loadConfig(path string, defaults spec) ([]spec, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseConfig(f, path, defaults)
}

// parseConfig reads a configuration; its errors begin with the path and the number of the line.
func parseConfig(r io.Reader, path string, defaults spec) ([]spec, error) {
	var specs []spec
	seen := map[string]int{}
	section := &defaults
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fail := func(format string, a ...any) ([]spec, error) {
			return nil, fmt.Errorf("%s:%d: %w", path, n, fmt.Errorf(format, a...))
		}
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			name, ok := strings.CutSuffix(line[1:], "]")
			if !ok {
				return fail("a section is written [NAME]")
			}
			name = strings.TrimSpace(name)
			if err := bus.ValidName(name); err != nil {
				return fail("%w", err)
			}
			if at, again := seen[name]; again {
				return fail("bus %s has a section in line %d already", name, at)
			}
			seen[name] = n
			specs = append(specs, defaults)
			section = &specs[len(specs)-1]
			section.Name = name
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fail("%q is neither [NAME] nor key = value", line)
		}
		if err := section.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return fail("%w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return specs, nil
}

// set sets what a key of a configuration file stands for.
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
