package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// lsEntry is an element of the output of ls --json.
type lsEntry struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	UUID        string `json:"uuid"`
	Path        string `json:"path"`
	Key         int32  `json:"key"`
	ShmID       int    `json:"shm_id"`
	SemID       int    `json:"sem_id"`
	UID         int    `json:"uid"`
	GID         int    `json:"gid"`
	Mode        string `json:"mode"`
	Slots       int    `json:"slots"`
	SlotSize    int    `json:"slot_size"`
	SizeBytes   int    `json:"size_bytes"`
	Head        uint64 `json:"head"`
	Messages    uint64 `json:"messages"`
	Clients     int    `json:"clients"`
	Publishers  int    `json:"publishers"`
	Subscribers int    `json:"subscribers"`
	DaemonPids  []int  `json:"daemon_pids"`
	Error       string `json:"error,omitempty"`
}

func newLs() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "list the buses",
		Long: `busd ls lists the buses that have a key file. Their states:

  live        it works
  incomplete  its creator died, or is at work just now
  stale       its key file exists, but its segment is gone
  foreign     its key file names a segment that does not belong to this bus
  denied      you may not read it
  elsewhere   it was made in another IPC namespace, for example that of another container

With --json: an array of objects with
  name, state, uuid, path (of the key file), key, shm_id, sem_id    strings and numbers
  uid, gid, mode                  who may use it: owner, group (-1 without a segment), permission bits in octal
  slots, slot_size, size_bytes    sizes; size_bytes is that of the segment
  head                            position of the next message: a message takes one for each slot that it needs
  messages                        how many messages were published
  clients, publishers, subscribers    the numbers of those that live
  daemon_pids                     process ids of the busds that serve it
  error                           why the other fields are incomplete, if they are`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ls(cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func ls(stdout, stderr io.Writer, asJSON bool) error {
	infos, unread := bus.List() // buses in other folders are shown all the same
	entries := make([]lsEntry, 0, len(infos))
	for _, i := range infos {
		entries = append(entries, newLsEntry(i))
	}
	if asJSON {
		return errors.Join(writeJSON(stdout, entries, true), unread)
	}
	if len(entries) == 0 && unread != nil {
		return unread
	}
	if len(entries) == 0 {
		fmt.Fprintf(stderr, "there is no bus in %s; make one with: busd create NAME\n", strings.Join(bus.Dirs(), ", "))
		return nil
	}
	t := cli.Table{Head: []string{"NAME", "STATE", "SEGMENT>", "SLOTS>", "MESSAGES>", "POSITIONS>", "PUBS>", "SUBS>", "BUSD", "MODE", "OWNER", "FOLDER", "KEY", "SHMID>", "SEMID>", "NOTE"}}
	for _, e := range entries {
		if e.State != "live" || e.Error != "" {
			t.Row(e.Name, e.State, "", "", "", "", "", "", "", e.Mode, ownerName(e.UID, e.GID), filepath.Dir(e.Path),
				key(e.Key), fmt.Sprint(e.ShmID), fmt.Sprint(e.SemID), e.Error)
			continue
		}
		t.Row(e.Name, e.State, cli.Bytes(uint64(e.SizeBytes)), fmt.Sprintf("%s×%d", cli.Size(e.Slots), e.SlotSize), cli.Count(e.Messages), cli.Count(e.Head),
			fmt.Sprint(e.Publishers), fmt.Sprint(e.Subscribers), strings.Trim(fmt.Sprint(e.DaemonPids), "[]"),
			e.Mode, ownerName(e.UID, e.GID), filepath.Dir(e.Path), key(e.Key), fmt.Sprint(e.ShmID), fmt.Sprint(e.SemID), "")
	}
	t.DropEmpty()
	return errors.Join(t.Write(stdout, ""), unread)
}

func newLsEntry(i bus.Entry) lsEntry {
	e := lsEntry{Name: i.Name, State: i.State, UUID: i.UUID, Path: i.Path, Key: i.Key, ShmID: i.ShmID, SemID: i.SemID, UID: i.UID, GID: i.GID, DaemonPids: []int{}}
	if i.UID >= 0 {
		e.Mode = i.Mode.String()
	}
	err := i.Err
	if i.State == "live" && err == nil {
		err = lookIn(filepath.Dir(i.Path), i.Name, func(o *bus.Observer) error {
			s, err := o.Snapshot()
			if err != nil {
				return err
			}
			e.Slots, e.SlotSize, e.SizeBytes, e.Head = s.Sizes.Slots, s.Sizes.SlotSize, s.Sizes.Segment, s.Head
			e.Messages, _ = s.Published()
			e.Publishers, e.Subscribers = alive(s)
			for _, c := range s.Clients {
				if c.Alive {
					e.Clients++
				}
			}
			for _, c := range otherDaemons(s, 0) {
				e.DaemonPids = append(e.DaemonPids, c.Pid)
			}
			return nil
		})
	}
	if err != nil {
		e.Error = cli.Line(err)
	}
	return e
}

// alive counts the publishers and subscribers that are alive.
func alive(s bus.Snapshot) (publishers, subscribers int) {
	for _, p := range s.Publishers {
		if p.Alive {
			publishers++
		}
	}
	for _, u := range s.Subscribers {
		if u.Alive {
			subscribers++
		}
	}
	return publishers, subscribers
}

func key(k int32) string { return fmt.Sprintf("%#08x", uint32(k)) }
