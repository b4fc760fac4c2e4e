package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func newRestore() *cobra.Command {
	shmid := -1
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "write the key file of a bus again that has lost it",
		Long: `busd restore puts back the key file of a bus whose segment is there: a cleaner of /tmp took it, or rm. Without the file
nobody can open the bus, and making it again would make a second one. A busd that serves the bus does the same by itself within
seconds, and so does any client that waits, if it runs as root or as the bus's owner, as this command has to.

The file goes into the folder in which buses are made: SHMBUS_DIR, or the default one. Where several segments
say that they are buses of that name, --shmid chooses one (see ipcs -m, busd doctor).`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := shmid
			if id < 0 {
				var err error
				if id, err = lostSegment(args[0]); err != nil {
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

// lostSegment returns the one segment that says it is a bus of that name and has no key file.
func lostSegment(name string) (int, error) {
	err := look(name, func(*bus.Observer) error { return nil })
	var missing *bus.NotFoundError
	switch {
	case err == nil:
		return 0, fmt.Errorf("bus %s has its key file, and works", name)
	case !errors.As(err, &missing):
		return 0, err
	case len(missing.Lost) == 0:
		return 0, fmt.Errorf("no segment on this host that may be read is that of a bus %q: make it with busd create %s", name, name)
	case len(missing.Lost) > 1:
		var ids []int
		for _, l := range missing.Lost {
			ids = append(ids, l.ShmID)
		}
		return 0, cli.Usagef("the segments %v are buses of that name: choose with --shmid", ids)
	}
	return missing.Lost[0].ShmID, nil
}
