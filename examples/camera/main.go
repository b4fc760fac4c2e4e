// Command camera passes video frames through a bus without copying them: the camera draws each
// frame into the shared memory that it is published from, and watchers look at it there.
//
//	camera shoot [-bus camera] [-frames N] [-every 33ms]
//	camera watch [-bus camera] [-frames N]
//
// A frame of 640 × 480 bytes fits one slot of the bus. Nobody waits for a watcher: one that is
// still looking at a frame when the ring comes round to its memory is told, and forgets what it
// saw.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"shmbus/bus"
)

const (
	width, height = 640, 480
	topic         = "camera.front"

	// A message is a msgpack array of two, the frame's number as a uint64 and the pixels as bytes:
	// any program that reads msgpack can read it.
	head      = 1 + 9 + 5
	frameSize = head + width*height
)

// sizes are those of a bus for frames: 16 of them in the ring, and 2 more for each of 4 publishers.
func sizes() []bus.Option {
	const overhead = 16 + 8 // a slot's header, and the time
	slot := (overhead + frameSize + 63) / 64 * 64
	return []bus.Option{
		bus.WithSlots(16), bus.WithSlotSize(slot), bus.WithPublishers(4), bus.WithOwnedSlots(2),
	}
}

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		log.Fatalf("camera: %v", err)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("camera", flag.ContinueOnError)
	name := flags.String("bus", "camera", "name of the bus")
	frames := flags.Uint64("frames", 0, "how many frames; 0 is no end")
	every := flags.Duration("every", 33*time.Millisecond, "time between two frames")
	if len(args) == 0 {
		return errors.New("shoot or watch?")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	b, _, err := bus.OpenOrCreate(*name, sizes()...)
	if err != nil {
		return err
	}
	defer b.Close()
	switch args[0] {
	case "shoot":
		return shoot(ctx, b, *frames, *every)
	case "watch":
		return watch(ctx, b, *frames)
	}
	return fmt.Errorf("%q is neither shoot nor watch", args[0])
}

// shoot publishes frames. Each is drawn where it will be read.
func shoot(ctx context.Context, b *bus.Bus, frames uint64, every time.Duration) error {
	p, err := b.Publisher(topic, bus.WithTime())
	if err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := uint64(1); frames == 0 || n <= frames; n++ {
		r, err := p.Reserve(frameSize)
		if err != nil {
			return err
		}
		room := r.Bytes()
		room[0] = 0x92 // an array of two
		room[1] = 0xcf // a uint64
		binary.BigEndian.PutUint64(room[2:], n)
		room[10] = 0xc6 // bytes
		binary.BigEndian.PutUint32(room[11:], width*height)
		draw(room[head:], n)
		// Nobody sees the frame, nor waits for it, before this.
		if err := r.Commit(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// draw stands for a sensor: a bar that moves to the right over a background that gets brighter.
func draw(pixels []byte, n uint64) {
	for y := range height {
		row := pixels[y*width:][:width]
		for x := range row {
			row[x] = byte(n)
		}
		bar := int(n) % (width - 16)
		for x := bar; x < bar+16; x++ {
			row[x] = 255
		}
	}
}

// watch looks at each frame in place and prints what it sees.
func watch(ctx context.Context, b *bus.Bus, frames uint64) error {
	s, err := b.Subscribe(topic)
	if err != nil {
		return err
	}
	defer s.Close()
	for seen := uint64(0); frames == 0 || seen < frames; {
		var n uint64
		var mean float64
		var age time.Duration
		err := s.Read(ctx, func(v bus.View) error {
			if len(v.Raw) != frameSize {
				return fmt.Errorf("message %d is not a frame", v.Position)
			}
			n = binary.BigEndian.Uint64(v.Raw[2:])
			mean = brightness(v.Raw[head:])
			age = time.Since(v.Time())
			return nil
		})
		// Only now it is certain that nobody wrote to the frame meanwhile.
		var lost *bus.LossError
		switch {
		case errors.As(err, &lost):
			fmt.Printf("lost %d frames\n", lost.Count)
			continue
		case err != nil:
			return err
		}
		seen++
		fmt.Printf("frame %d brightness %.1f age %v\n", n, mean, age)
	}
	return nil
}

func brightness(pixels []byte) float64 {
	sum := 0
	for _, p := range pixels {
		sum += int(p)
	}
	return float64(sum) / float64(len(pixels))
}
