//go:build unix

package ring

import (
	"syscall"
	"testing"

	"shmbus/layout"
)

// fencedRing returns a ring in memory between two pages without access, so that an access outside
// of the ring ends the test.
func fencedRing(tb testing.TB, g layout.Geometry) *Ring {
	tb.Helper()
	m, err := layout.NewMap(g)
	if err != nil {
		tb.Fatal(err)
	}
	const guard = 128 << 20 // as far as the largest slot number reaches
	mem, err := syscall.Mmap(-1, 0, guard+m.Size+guard, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { syscall.Munmap(mem) })
	inside := mem[guard : guard+m.Size]
	if err := syscall.Mprotect(inside, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		tb.Fatal(err)
	}
	r, err := New(inside, m)
	if err != nil {
		tb.Fatal(err)
	}
	r.Format()
	return r
}
