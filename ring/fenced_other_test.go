//go:build !unix

package ring

import (
	"testing"

	"shmbus/layout"
)

// fencedRing returns a ring without protected pages around it.
func fencedRing(t testing.TB, g layout.Geometry) *Ring { return newRing(t, g) }
