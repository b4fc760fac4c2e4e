//go:build linux

package main

import (
	"fmt"

	"shmbus/bus"
	"shmbus/internal/testload"
	"shmbus/internal/testproc"
)

const busName = "scale"

// A job is how many handles a process has, on a bus of which folder.
type job struct {
	Handles int
	Dir     string
}

var roles = testproc.Roles{"idle": testproc.With(play), "echo": testproc.With(play)}

// play is the life of a process of the bench, until it is told to exit.
func play(c *testproc.Child, j job) {
	failed := make(chan error, j.Handles)
	for i := range j.Handles {
		b, err := bus.Open(busName, bus.WithDir(j.Dir))
		c.Check(err)
		defer b.Close()
		topic := "ping"
		if c.Role == "idle" {
			topic = fmt.Sprintf("quiet.%d", i)
		}
		s, err := b.Subscribe(topic, bus.Wait(bus.Block))
		c.Check(err)
		var p *bus.Publisher
		if c.Role == "echo" {
			p, err = b.Publisher("pong")
			c.Check(err)
		}
		go func() {
			for {
				_, err := s.Next(c.Context())
				if err == nil && p != nil {
					err = p.PublishRaw(c.Context(), []byte{0xc0})
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	c.Say("ready", nil)
	select {
	case err := <-failed:
		if c.Context().Err() == nil {
			c.Check(err)
		}
	case <-c.Context().Done():
	}
}

// start starts a process and waits until all its handles are there.
func start(role string, handles int, dir string) (*testproc.Worker, error) {
	w, err := testproc.Start(role, job{handles, dir})
	if err != nil {
		return nil, err
	}
	if _, err := w.Await("ready", testload.Patience()); err != nil {
		w.Kill()
		return nil, fmt.Errorf("a process did not begin: %w", err)
	}
	return w, nil
}
