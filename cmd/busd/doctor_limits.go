package main

import (
	"fmt"
	"os"

	"shmbus/cmd/internal/cli"
	"shmbus/layout"
)

// opsNeeded is the largest number of operations that a bus does in one call, namely to join.
const opsNeeded = 4

// checkLimits checks whether the kernel has room for one more bus of the default sizes.
func (d *doctor) checkLimits() error {
	m, err := layout.NewMap(layout.Default())
	if err != nil {
		return err
	}
	sem, err := d.semLimits()
	if err != nil {
		return err
	}
	sets, err := d.semUsage()
	if err != nil {
		return err
	}
	shm, err := d.shmLimits()
	if err != nil {
		return err
	}
	segments, err := d.shmUsage()
	if err != nil {
		return err
	}
	low := func(advice, format string, a ...any) {
		d.add(finding{
			Check: "kernel-limits", Severity: problem,
			Text:   fmt.Sprintf(format, a...) + ": a bus of the default sizes cannot be made",
			Advice: advice + ", as root, and in /etc/sysctl.d to keep it",
		})
	}
	need := m.Semaphores()
	semctl := fmt.Sprintf(`sysctl -w kernel.sem="%d %d %d %d"`, max(sem.SemsPerSet, need), max(sem.Sems, sets.Sems+need),
		max(sem.OpsPerCall, opsNeeded), max(sem.Sets, sets.Sets+1))
	if sem.SemsPerSet < need {
		low(semctl, "SEMMSL allows %d semaphores in a set, a bus needs %d", sem.SemsPerSet, need)
	}
	if sem.Sems-sets.Sems < need {
		low(semctl, "SEMMNS allows %d semaphores, %d exist, a bus needs %d", sem.Sems, sets.Sems, need)
	}
	if sem.Sets <= sets.Sets {
		low(semctl, "SEMMNI allows %d semaphore sets, and %d exist", sem.Sets, sets.Sets)
	}
	if sem.OpsPerCall < opsNeeded {
		low(semctl, "SEMOPM allows %d operations in a call, a bus needs %d", sem.OpsPerCall, opsNeeded)
	}

	size, page := uint64(m.Size), uint64(os.Getpagesize())
	pages := (size + page - 1) / page
	if shm.MaxSize < size {
		low(fmt.Sprintf("sysctl -w kernel.shmmax=%d", size), "SHMMAX allows segments of %s, a bus needs %s", cli.Bytes(shm.MaxSize), cli.Bytes(size))
	}
	if shm.Pages < segments.Pages || shm.Pages-segments.Pages < pages {
		low(fmt.Sprintf("sysctl -w kernel.shmall=%d", segments.Pages+pages), "SHMALL allows %d pages in all segments, %d exist, a bus needs %d", shm.Pages, segments.Pages, pages)
	}
	if shm.Segments <= segments.Segments {
		low(fmt.Sprintf("sysctl -w kernel.shmmni=%d", segments.Segments+16), "SHMMNI allows %d segments, and %d exist", shm.Segments, segments.Segments)
	}
	return nil
}
