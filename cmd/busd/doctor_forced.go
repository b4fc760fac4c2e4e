package main

import "shmbus/sysvshm"

// checkForcedRemoval checks whether the kernel destroys buses that no process has attached.
func (d *doctor) checkForcedRemoval() error {
	if sysvshm.ForcedRemoval() {
		d.add(finding{
			Check: "shm-rmid-forced", Severity: warning,
			Text: "kernel.shm_rmid_forced is 1: the kernel destroys a bus and its messages when no process has it attached, " +
				"also between two processes that use it one after the other",
			Advice: "have busd serve each bus without a break, or, as root: sysctl -w kernel.shm_rmid_forced=0 (and in /etc/sysctl.d to keep it)",
		})
	}
	return nil
}
