package host

import (
	"strings"
	"time"
)

// part is what a role does in a run: the first to send begins it, the last to receive ends it.
type part struct{ sends, receives bool }

// partOf returns the part of a role. One that is not known here has the run to itself.
func partOf(role string) part {
	switch {
	case strings.HasPrefix(role, "send"), role == "ping", role == "tick":
		return part{sends: true}
	case role == "recv", role == "pong", role == "wake":
		return part{receives: true}
	case role == server, role == "asleep", role == "fill", role == "daemon":
		return part{}
	}
	return part{true, true}
}

// Elapsed is from the first sender's start to the last receiver's end, or the last sender's if
// nobody receives: the whole time of a run, without that in which the receivers waited for its
// beginning.
func Elapsed(results []Result) time.Duration {
	var start, sent, received int64
	for _, r := range results {
		p := partOf(r.Role)
		if p.sends {
			if start == 0 || r.Start < start {
				start = r.Start
			}
			sent = max(sent, r.End)
		}
		if p.receives {
			received = max(received, r.End)
		}
	}
	end := received
	if end == 0 {
		end = sent
	}
	return max(time.Duration(end-start), 1)
}
