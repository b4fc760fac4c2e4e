package testload

import (
	"time"

	"golang.org/x/sys/unix"
)

var (
	start  = time.Now()
	offset = calibrate()
)

// Now returns CLOCK_MONOTONIC. It reads it as package time does, without a system call.
func Now() int64 { return int64(time.Since(start)) + offset }

// calibrate returns what CLOCK_MONOTONIC was at start, as the tightest of some pairs of readings has it.
func calibrate() int64 {
	var at, width int64
	for i := range 16 {
		before := int64(time.Since(start))
		now := read(unix.CLOCK_MONOTONIC)
		after := int64(time.Since(start))
		if i == 0 || after-before < width {
			width = after - before
			at = now - (before+after)/2
		}
	}
	return at
}

// CPU returns the processor time that this process has used, CLOCK_PROCESS_CPUTIME_ID.
func CPU() int64 { return read(unix.CLOCK_PROCESS_CPUTIME_ID) }

func read(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}
