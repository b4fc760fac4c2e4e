package main

import (
	"fmt"

	"shmbus/bus"
	"shmbus/cmd/internal/cli"
)

// blocked describes the subscription that blocks publishers, and how many wait.
func blocked(b *bus.Blocker) string {
	doing := "does not read"
	if b.Stopped {
		doing = "is stopped"
	}
	waits := fmt.Sprintf("%d publishers wait", b.Waiting)
	switch b.Waiting {
	case 0:
		waits = "no publisher waits just now"
	case 1:
		waits = "1 publisher waits"
	}
	return fmt.Sprintf("%s (pid %d), which subscribes to %s with policy %s, %s and is %s behind; %s",
		cli.Printable(b.Name), b.Pid, cli.Printable(b.Pattern), b.Policy, doing, cli.Plural(b.Lag, "position"), waits)
}
