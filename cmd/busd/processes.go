package main

import (
	"bytes"
	"fmt"
	"os"

	"shmbus/bus"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// stoppedClients returns the clients whose process is stopped: by SIGSTOP, a terminal, or a debugger. The pid in a client's record is
// that of its own pid namespace. The kernel knows the process as well, as the last one that changed the client's liveness
// semaphore, and tells its pid in this namespace: 0 if it is not visible here.
func stoppedClients(s bus.Snapshot) map[int]bool {
	stopped := map[int]bool{}
	set := sysvsem.FromID(s.SemID)
	for _, c := range s.Clients {
		if !c.Alive {
			continue
		}
		pid, err := set.GetPid(int(layout.SemLive(c.Index)))
		if err != nil || pid <= 0 {
			continue
		}
		if state, ok := processState(pid); ok && (state == 'T' || state == 't') {
			stopped[c.Index] = true
		}
	}
	return stopped
}

// processState returns the letter for what a process does, as proc(5) explains it.
func processState(pid int) (state byte, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name stands in parentheses, and may contain some.
	i := bytes.LastIndexByte(b, ')')
	if err != nil || i < 0 || i+2 >= len(b) {
		return 0, false
	}
	return b[i+2], true
}
