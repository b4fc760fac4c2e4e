package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

func newTopics() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "topics [NAME]",
		Short: "list the topics of a bus",
		Long: `busd topics lists every topic that ever had a publisher on the bus, with the number of messages
and bytes published on it, and of its present publishers and subscriptions.

With --json: an array, sorted by name, of objects with
  id, name, messages, bytes, publishers, subscribers`,
		Args:              arguments(0, 1),
		ValidArgsFunction: cli.CompleteBuses,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := busArgument(args, cmd.Flag("bus").Value.String())
			if err != nil {
				return err
			}
			return look(name, func(o *bus.Observer) error {
				s, err := o.Snapshot()
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), sortedTopics(s), true)
				}
				return writeTopics(cmd.OutOrStdout(), cmd.ErrOrStderr(), s)
			})
		},
	}
	busFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// sortedTopics returns the topics by name.
func sortedTopics(s bus.Snapshot) []bus.TopicStatus {
	list := slices.Clone(s.Topics)
	slices.SortFunc(list, func(a, b bus.TopicStatus) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func writeTopics(stdout, stderr io.Writer, s bus.Snapshot) error {
	if len(s.Topics) == 0 {
		fmt.Fprintf(stderr, "bus %s has no topic yet; the first publisher of one makes it\n", s.Name)
		return nil
	}
	t := cli.Table{Head: []string{"TOPIC", "ID>", "PUBS>", "SUBS>", "MESSAGES>", "BYTES>"}}
	for _, x := range sortedTopics(s) {
		t.Row(x.Name, strconv.Itoa(x.ID), strconv.Itoa(x.Publishers), strconv.Itoa(x.Subscribers), cli.Count(x.Messages), cli.Bytes(x.Bytes))
	}
	return t.Write(stdout, "")
}
