package main

import (
	"errors"

	"shmbus/sysvsem"
)

// checkUndo checks whether the kernel undoes SEM_UNDO operations of a process that ends. A bus
// learns of deaths in this way.
func (d *doctor) checkUndo() error {
	err := d.tryUndo()
	if errors.Is(err, sysvsem.ErrNoUndo) {
		d.add(finding{
			Check: "undo", Severity: problem,
			Text:   "this runtime accepts SEM_UNDO and ignores it: no bus can be made, and on an existing bus dead clients count as alive",
			Advice: "run what uses the bus on a Linux kernel, not in a sandbox that imitates one (for gVisor: another runtime class)",
		})
	}
	return nil // checkLimits reports why it cannot be tried, or a sandbox forbids it
}

// tryUndo is [sysvsem.Set.CheckUndo] on a set that it makes for that.
func tryUndo() error {
	set, err := sysvsem.Get(sysvsem.Private, 1, sysvsem.Create|0o600)
	if err != nil {
		return err
	}
	return errors.Join(set.CheckUndo(0), set.Remove())
}
