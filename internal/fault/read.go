package fault

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// A Report is the content of a process's SHMBUS_FAULT_FILE, which outlives the process.
type Report struct {
	Last   Point            // the point visited last
	Passed bool             // whether any point was visited
	At     Point            // the point at which an action happened last
	Fired  bool             // whether any action happened
	Visits map[Point]uint64 // number of visits of each point that was visited
}

// ReadReport reads a process's file. If it does not exist yet, the process has passed no point.
func ReadReport(path string) (Report, error) {
	r := Report{Visits: make(map[Point]uint64)}
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for i := range len(b) / 8 {
		switch v := binary.LittleEndian.Uint64(b[8*i:]); {
		case v == 0:
		case i == 0:
			r.Last, r.Passed = Point(v-1), true
		case i == 1:
			r.At, r.Fired = Point(v-1), true
		default:
			r.Visits[Point(i-2)] = v
		}
	}
	return r, nil
}
