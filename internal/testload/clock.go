package testload

import (
	"time"

	"shmbus/internal/linux"
)

var (
	start  = time.Now()
	offset = calibrate()
)

// Now returns CLOCK_MONOTONIC. It reads it as package time does, without a system call.
func Now() int64 { return int64(time.Since(start)) + offset }

// calibrate returns what CLOCK_MONOTONIC was at start, as the tightest of some pairs of readings
// has it.
func calibrate() int64 {
	var at, width int64
	for i := range 16 {
		before := int64(time.Since(start))
		now := int64(linux.Monotonic())
		after := int64(time.Since(start))
		if i == 0 || after-before < width {
			width = after - before
			at = now - (before+after)/2
		}
	}
	return at
}

// CPU returns the processor time that this process has used, CLOCK_PROCESS_CPUTIME_ID.
func CPU() int64 { return int64(linux.CPUTime()) }
