package main

import (
	"errors"

	"shmbus/sysvsem"
)

// checkUndo looks whether the kernel takes back what a process did with SEM_UNDO, which is how a bus learns of deaths.
func (d *doctor) checkUndo() error {
	err := d.tryUndo()
	if errors.Is(err, sysvsem.ErrNoUndo) {
		d.add(finding{
			Check: "undo", Severity: problem,
			Text:   "this runtime accepts SEM_UNDO and ignores it: no bus can be made, and on one that there is the dead count as alive",
			Advice: "run what uses the bus on a Linux kernel, not in a sandbox that imitates one (for gVisor: another runtime class)",
		})
	}
	return nil // what keeps it from being tried is for checkLimits to say, or is a sandbox's choice
}

// tryUndo is [sysvsem.Set.CheckUndo] on a set of its own.
func tryUndo() error {
	set, err := sysvsem.Get(sysvsem.Private, 1, sysvsem.Create|0o600)
	if err != nil {
		return err
	}
	return errors.Join(set.CheckUndo(0), set.Remove())
}
