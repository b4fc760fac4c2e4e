//go:build linux

package sysvshm_test

import (
	"fmt"
	"log"
	"os"

	"shmbus/sysvshm"
)

const greeting = "Hello, world."

// Two processes share a segment: the child writes, this one reads.
func Example() {
	s, err := sysvshm.Get(sysvshm.Private, len(greeting), sysvshm.Create|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Remove()
	m, err := s.Attach(sysvshm.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Detach()

	if err := helper("example writer", s).Run(); err != nil { // runs exampleWriter
		log.Fatal(err)
	}
	fmt.Println(string(m.Bytes()))
	// Output: Hello, world.
}

func exampleWriter(s *sysvshm.Segment) error {
	m, err := s.Attach(sysvshm.ReadWrite)
	if err != nil {
		return err
	}
	copy(m.Bytes(), greeting)
	return m.Detach()
}

// A segment that is removed as soon as it is attached cannot be left behind. A process
// that knows its identifier may attach it until the last one has detached.
func ExampleSegment_Remove() {
	s, err := sysvshm.Get(sysvshm.Private, 4096, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	m, err := s.Attach(sysvshm.ReadWrite)
	if err != nil {
		s.Remove()
		log.Fatal(err)
	}
	defer m.Detach()
	if err := s.Remove(); err != nil {
		log.Fatal(err)
	}
	st, err := s.Stat()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Size, st.Attached, st.Destroy)
	// Output: 4096 1 true
}

// Processes that share nothing but the name of a file find the same segment.
func ExampleFtok() {
	file, err := os.CreateTemp("", "key")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()

	key, err := sysvshm.Ftok(file.Name(), 'P')
	if err != nil {
		log.Fatal(err)
	}
	created, err := sysvshm.Get(key, 100, sysvshm.Create|sysvshm.Exclusive|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer created.Remove()
	found, err := sysvshm.Get(key, 0, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.ID() == created.ID())
	// Output: true
}
