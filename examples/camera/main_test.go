package main

import (
	"fmt"
	"math"
	"testing"

	"example.org/examples/internal/program"

	"shmbus/bus"
	"shmbus/bus/bustest"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// What watchers see is what the camera drew, in order, and what they do not see they know of.
func TestCamera(t *testing.T) {
	b := bustest.New(t, sizes()...)
	watchers := []*program.Program{
		program.Start(t, "watch", "-bus", b.Name(), "-frames", "50"),
		program.Start(t, "watch", "-bus", b.Name(), "-frames", "50"),
	}
	camera := program.Start(t, "shoot", "-bus", b.Name(), "-every", "2ms")
	pixels := make([]byte, width*height)
	for _, w := range watchers {
		next := uint64(0)
		for {
			line := w.Line()
			if line == "" {
				break
			}
			var n, lost uint64
			var mean float64
			if c, _ := fmt.Sscanf(line, "lost %d frames", &lost); c == 1 {
				next += lost
				continue
			}
			if _, err := fmt.Sscanf(line, "frame %d brightness %f", &n, &mean); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if next == 0 {
				next = n // the first that it saw
			}
			if n != next {
				t.Errorf("frame %d came instead of %d", n, next)
			}
			draw(pixels, n)
			if math.Abs(mean-brightness(pixels)) > 0.06 {
				t.Errorf("frame %d has brightness %.2f, and %.2f was drawn", n, mean, brightness(pixels))
			}
			next = n + 1
		}
		w.End()
	}
	camera.Interrupt()
}

// A frame is a msgpack message that needs nothing of this program to be read.
func TestFrameIsMsgpack(t *testing.T) {
	b := bustest.New(t, sizes()...)
	s, err := b.Subscribe(topic, bus.Reliable())
	if err != nil {
		t.Fatal(err)
	}
	program.Start(t, "shoot", "-bus", b.Name(), "-frames", "2").End()
	var want []any
	for n := range uint64(2) {
		pixels := make([]byte, width*height)
		draw(pixels, n+1)
		want = append(want, []any{int64(n + 1), pixels})
	}
	bustest.Expect(t, s, want...)
}
