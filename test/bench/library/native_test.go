package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

// The libraries in C and C++ deliver everything, too, where they are installed.
func TestNative(t *testing.T) {
	cpus, err := host.CPUs(2)
	if err != nil {
		t.Skip(err)
	}
	h, err := host.New("", os.DirFS("../native"), cpus)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, spec := range []string{"native/zeromq", "native/nng", "native/boost", "native/boost:wait=spin", "native/posixmq", "native/posixmq:wait=spin"} {
		for _, size := range []int{16, 48, 8192} {
			for kind, places := range map[string][]host.Place{"oneway": h.Stream(), "roundtrip": h.RoundTrip()} {
				t.Run(fmt.Sprintf("%s/size=%d/%s", spec, size, kind), func(t *testing.T) {
					s, err := h.Start(context.Background(), host.MustSpec(spec).With("size", size), places)
					if errors.Is(err, worker.ErrSkipped) {
						t.Skip(err)
					}
					if err != nil {
						t.Fatal(err)
					}
					for _, n := range []int{1, 300, 33} {
						if _, err := s.Run(context.Background(), n); err != nil {
							t.Error(err)
							break
						}
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
