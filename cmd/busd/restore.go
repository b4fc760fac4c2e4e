package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func newRestore() *cobra.Command {
	shmid := -1
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "write the lost key file of a bus again",
		Long: `busd restore writes the key file of a bus again that was deleted, by a cleaner of /tmp or by
rm, while the segment still exists. Without the file nobody can open the bus, and creating the bus
again would make a second one. This command must run as root or as the bus's owner. A busd that
serves the bus, or a client that waits, writes the file by itself within seconds if it runs as root
or as the owner.

The file goes into the folder in which buses are made: SHMBUS_DIR, or the default folder. If a key
file in another folder names the bus, the command refuses, except with --shmid. It searches the
default folders, those beside the given one, and those of the bus's clients. If several segments
are buses of that name, the command lists them, and --shmid chooses one.`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := bus.CheckName(args[0]); err != nil {
				return cli.Usagef("%w", err)
			}
			id := shmid
			if cmd.Flags().Changed("shmid") && id < 0 {
				return cli.Usagef("--shmid %d: use the identifier of a segment, as busd restore and ipcs -m list them", id)
			}
			if id < 0 {
				var err error
				if id, err = lostSegment(args[0], cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			if err := bus.Restore(args[0], id); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "bus %s has its key file again, for segment %d\n", args[0], id)
			return nil
		},
	}
	cmd.Flags().IntVar(&shmid, "shmid", -1, "identifier of the segment")
	return cmd
}

// lostSegment returns the one segment that is a bus of that name and has no key file. If there are
// several, it lists them.
func lostSegment(name string, w io.Writer) (int, error) {
	err := look(name, func(*bus.Observer) error { return nil })
	var missing *bus.NotFoundError
	switch {
	case err == nil:
		return 0, fmt.Errorf("bus %s has its key file, and works", name)
	case !errors.As(err, &missing):
		return 0, err
	case len(missing.Lost) == 1:
		return missing.Lost[0].ShmID, nil
	case len(missing.Lost) > 1:
		if err := writeCandidates(w, append(missing.Lost, missing.Elsewhere...)); err != nil {
			return 0, err
		}
		return 0, cli.Usagef("%d segments without a key file are buses of the name %s: choose one with --shmid", len(missing.Lost), name)
	case len(missing.Elsewhere) > 0:
		l := missing.Elsewhere[0]
		return 0, fmt.Errorf("no bus %s has lost its key file: %s names segment %d; to use that bus set SHMBUS_DIR=%s (--shmid %d writes a second key file for it)",
			name, l.Path, l.ShmID, quote(filepath.Dir(l.Path)), l.ShmID)
	}
	return 0, fmt.Errorf("no segment on this host that may be read is that of a bus %q: make it with busd create %s", name, name)
}

// writeCandidates prints how the segments of one name differ.
func writeCandidates(w io.Writer, list []bus.LostBus) error {
	t := cli.Table{Head: []string{"SHMID>", "UUID", "CREATED", "OWNER", "MAPPINGS>", "PROCESSES", "KEY FILE"}}
	for _, l := range list {
		file := l.Path
		if file == "" {
			file = "none found"
		}
		t.Row(strconv.Itoa(l.ShmID), l.UUID, l.Created.Format(time.DateTime), userName(l.UID), strconv.Itoa(l.Attached), strings.Trim(fmt.Sprint(l.Pids), "[]"), file)
	}
	return t.Write(w, "")
}
