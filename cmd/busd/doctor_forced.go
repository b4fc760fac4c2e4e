package main

import "shmbus/sysvshm"

// checkForcedRemoval looks whether the kernel destroys buses that nobody has attached just now.
func (d *doctor) checkForcedRemoval() error {
	if sysvshm.ForcedRemoval() {
		d.add(finding{
			Check: "shm-rmid-forced", Severity: warning,
			Text: "kernel.shm_rmid_forced is 1: the kernel destroys a bus, with its messages, when nobody has it attached any more, " +
				"also between two processes that use it one after the other",
			Advice: "have busd serve each bus without a break, or, as root: sysctl -w kernel.shm_rmid_forced=0 (and in /etc/sysctl.d to keep it)",
		})
	}
	return nil
}
