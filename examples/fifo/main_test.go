//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.org/examples/internal/program"

	"shmbus/bus"
	"shmbus/bus/bustest"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// Messages of all sizes come out of the other bus as they went into the first, with their topics,
// in their order, also more than bus and FIFO hold.
func TestBothEnds(t *testing.T) {
	first, second := bustest.New(t, bus.WithSlots(1024)), bustest.New(t, bus.WithSlots(1024))
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := second.Subscribe(">", bus.Reliable())
	if err != nil {
		t.Fatal(err)
	}
	out := program.Start(t, "out", "-bus", first.Name(), ">", fifo)
	if err := first.WaitForSubscribers(t.Context(), "prices.0", 1); err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range 5000 {
			topic := fmt.Sprintf("prices.%d", i%7)
			if err := first.Publish(t.Context(), topic, message(i)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	in := program.Start(t, "in", "-bus", second.Name(), fifo)
	for i := range 5000 {
		bustest.Expect(t, s, bustest.Message{Topic: fmt.Sprintf("prices.%d", i%7), Value: message(i)})
	}
	_ = out.Process.Kill()
	in.End()
}

// message returns the i-th message, which takes more than a slot now and then.
func message(i int) string {
	return fmt.Sprint(i) + strings.Repeat(".", i%500)
}

func TestWhatIsNoFIFO(t *testing.T) {
	b := bustest.New(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := run([]string{"in", "-bus", b.Name(), file}); err == nil || !strings.Contains(err.Error(), "mkfifo") {
		t.Errorf("a missing FIFO: %v", err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"out", "-bus", b.Name(), ">", file}); err == nil || !strings.Contains(err.Error(), "not a FIFO") {
		t.Errorf("a file: %v", err)
	}
}
