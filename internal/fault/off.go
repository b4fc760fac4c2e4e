//go:build !faults

package fault

// Enabled reports whether faults can happen in this build.
const Enabled = false

// At is called between two steps of a protocol.
func At(Point) {}

// FirstPosition returns the position at which a new bus begins.
func FirstPosition() uint64 { return 0 }
