package bustest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shmbus/bus"
)

// folder returns the folder of this process's buses. The first call starts the guardian.
var folder = sync.OnceValues(func() (string, error) {
	dir, err := startGuardian()
	if err != nil {
		return "", err
	}
	return dir, os.Setenv("SHMBUS_DIR", dir)
})

var number atomic.Int64

// New returns a handle to a new bus with a name of its own, and removes the bus when the test ends.
// Sizes are those of [bus.Create] unless options set others; [bus.WithDir] has no effect. If the
// bus cannot be made, the test ends at once. Any test may call New, also a parallel one.
func New(t testing.TB, opts ...bus.Option) *bus.Bus {
	t.Helper()
	dir, err := folder()
	if err != nil {
		t.Fatalf("bustest: %v", err)
	}
	in := bus.WithDir(dir)
	name := busName(t.Name())
	b, err := bus.Create(name, append(opts[:len(opts):len(opts)], in)...)
	if err != nil {
		t.Fatalf("bustest: %v", err)
	}
	t.Cleanup(func() {
		err := b.Close()
		// Close may leave a goroutine that sleeps for a last millisecond. A bubble must not end
		// before that goroutine.
		time.Sleep(2 * time.Millisecond)
		// The test may have removed the bus.
		if gone := bus.Remove(name, in); !errors.Is(gone, bus.ErrNotFound) {
			err = errors.Join(err, gone)
		}
		if err != nil {
			t.Errorf("bustest: %v", err)
		}
	})
	return b
}

// busName makes a bus name from the name of the test, so that messages about the bus name the test.
func busName(test string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		}
		return '.'
	}, filepath.Base(test))
	return fmt.Sprintf("t-%.40s-%d", clean, number.Add(1))
}
