package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/cmd/internal/cli"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

// severity is the weight of a finding. Only problems count for the exit code.
type severity string

const (
	info    severity = "info"
	warning severity = "warning"
	problem severity = "problem"
)

// A finding is one result of a check. It is an element of the output of doctor --json.
type finding struct {
	Check    string   `json:"check"`
	Severity severity `json:"severity"`
	Bus      string   `json:"bus,omitempty"`
	Text     string   `json:"text"`
	Advice   string   `json:"advice,omitempty"`
	Command  string   `json:"command,omitempty"` // a shell command that follows the advice
	Fixable  bool     `json:"fixable"`
	Fixed    bool     `json:"fixed"`
	Error    string   `json:"error,omitempty"`

	fix func() error
}

// A doctor holds the objects that the checks examine, and their findings.
type doctor struct {
	ctx  context.Context
	dirs []string // more folders of key files
	root string   // of the file system, "" for the real one
	uid  int

	orphans bool // removing orphans is wanted

	semLimits func() (sysvsem.SystemLimits, error)
	semUsage  func() (sysvsem.SystemUsage, error)
	shmLimits func() (sysvshm.SystemLimits, error)
	shmUsage  func() (sysvshm.SystemUsage, error)
	tryUndo   func() error

	findings []finding
}

type doctorFlags struct {
	fix, orphans, json bool
	dirs               []string
}

func newDoctor() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "find and fix problems of the buses on this host",
		Long: `busd doctor looks for
  stale-key-file       a key file whose segment is gone
  incomplete           a bus whose creator died before it was complete
  foreign-key-file     a key file whose System V key belongs to another object
  other-version        a bus of another version of the segment's layout
  other-namespace      a key file of a bus in another IPC namespace; not a problem here
  unreadable           a bus that cannot be read
  half-removed         a bus whose segment or semaphores were removed by hand
  blocked              a reliable subscriber that leaves publishers no room;
                       a problem if it is stopped, a warning if it does not read
  dead-clients         clients that died and whose records nobody has cleared
  damage               words in a segment that no correct program wrote
  slot-books           slots that are in two places, or in none (checked while nobody publishes)
  permissions          key file, segment and semaphores with different permissions
  orphaned-segment     a bus's segment that no key file names and nobody has attached
  orphaned-semaphores  a bus's semaphores without a segment
  kernel-limits        limits that leave no room for a bus of the usual sizes
  undo                 a runtime that does not report the death of a process
  shm-rmid-forced      a kernel that destroys a bus with its last client
  remove-ipc           systemd removing the buses of users who log out
  busd                 which busd serves a bus; it is not a problem if none does
and says what to do about each. --fix does it where a bus is concerned; limits and systemd are left
to the administrator. Nothing that a living process uses is ever removed.

A bus whose key file is in a folder of its own (SHMBUS_DIR) looks orphaned unless busd doctor knows
the folder, and a bus that nobody uses at the moment still holds its messages. So --fix removes
orphans only together with --orphans. Name such folders with --dir. The default folders of the
system and of all users are known.

Exit code 1 says that problems remain; warnings do not count.

With --json: an array of objects with
  check      as in the list above
  severity   info, warning or problem
  bus        the name of the bus, if the finding is about one
  text       what was found
  advice     what to do
  command    the shell command that follows the advice, if there is one
  fixable    whether --fix, as it was asked for, does it
  fixed      whether it was fixed
  error      why not, if a fix was tried`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.orphans && !f.fix {
				return cli.Usagef("--orphans goes with --fix")
			}
			for _, dir := range f.dirs {
				if st, err := os.Stat(dir); err != nil {
					return cli.Usagef("--dir: %w", err)
				} else if !st.IsDir() {
					return cli.Usagef("--dir %s: it is no folder", dir)
				}
			}
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&f.fix, "fix", false, "put right what can be")
	cmd.Flags().BoolVar(&f.orphans, "orphans", false, "with --fix: also remove orphaned segments and semaphores")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().StringArrayVar(&f.dirs, "dir", nil, "another folder of key files to look at; may be repeated")
	return cmd
}

func (f doctorFlags) run(ctx context.Context, w io.Writer) error {
	d := newDoctorFor(ctx, f.dirs)
	d.orphans = f.orphans
	if err := d.examine(); err != nil {
		return err
	}
	if f.fix {
		d.treat()
	}
	var err error
	if f.json {
		err = writeJSON(w, d.findings, true)
	} else {
		err = d.write(w)
	}
	if err == nil && d.remaining() > 0 {
		return cli.ErrFailed
	}
	return err
}

// examine runs all checks.
func (d *doctor) examine() error {
	d.findings = []finding{}
	known, err := d.checkKeyFiles()
	if err != nil {
		return err
	}
	for _, i := range known.live {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		d.checkBus(i)
	}
	return errors.Join(d.checkOrphans(known), d.checkLimits(), d.checkUndo(), d.checkForcedRemoval(), d.checkRemoveIPC(known))
}

func (d *doctor) add(f finding) {
	f.Fixable = f.fix != nil
	f.Text, f.Advice = cli.Printable(f.Text), cli.Printable(f.Advice)
	if cli.Printable(f.Command) != f.Command {
		f.Command = "" // it is not safe to paste
	}
	d.findings = append(d.findings, f)
}

// treat fixes the findings that can be fixed.
func (d *doctor) treat() {
	for i := range d.findings {
		f := &d.findings[i]
		if f.fix == nil {
			continue
		}
		if err := f.fix(); err != nil {
			f.Error = cli.Line(err)
		} else {
			f.Fixed = true
		}
	}
}

// remaining counts the problems that are not fixed.
func (d *doctor) remaining() int {
	n := 0
	for _, f := range d.findings {
		if f.Severity == problem && !f.Fixed {
			n++
		}
	}
	return n
}

func (d *doctor) write(w io.Writer) error {
	var b strings.Builder
	fixed, warnings := 0, 0
	for _, f := range d.findings {
		label := string(f.Severity)
		switch {
		case f.Fixed:
			label = "fixed"
			fixed++
		case f.Severity == warning:
			warnings++
		}
		fmt.Fprintf(&b, "%-8s %s: %s\n", label, f.Check, f.Text)
		switch {
		case f.Error != "":
			fmt.Fprintf(&b, "%-8s could not be fixed: %s\n", "", f.Error)
			fallthrough
		case f.Fixed:
		case f.Advice != "" && f.Command != "":
			fmt.Fprintf(&b, "%-8s do: %s: %s\n", "", f.Advice, f.Command)
		case f.Advice != "" || f.Command != "":
			fmt.Fprintf(&b, "%-8s do: %s\n", "", f.Advice+f.Command)
		}
	}
	fixable := 0
	for _, f := range d.findings {
		if f.Fixable && !f.Fixed && f.Error == "" {
			fixable++
		}
	}
	fmt.Fprintf(&b, "%s, %s, %d fixed", cli.Plural(d.remaining(), "problem"), cli.Plural(warnings, "warning"), fixed)
	if fixable > 0 {
		fmt.Fprintf(&b, "; busd doctor --fix can fix %d", fixable)
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}
