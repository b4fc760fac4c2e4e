//go:build linux

package sysvsem_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"shmbus/sysvsem"
)

// A mutex for processes, given back by the kernel if its holder dies.
func Example() {
	s, err := sysvsem.Get(sysvsem.Private, 1, sysvsem.Create|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Remove()
	if err := s.SetVal(0, 1); err != nil { // before anybody uses it
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Op(ctx, sysvsem.P(0).With(sysvsem.Undo)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("held")
	fmt.Println(s.TryOp([]sysvsem.Op{sysvsem.P(0)}))
	if err := s.Op(ctx, sysvsem.V(0).With(sysvsem.Undo)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("free")
	// Output:
	// held
	// sysvsem: operation would block
	// free
}

const (
	mayWrite = 0 // 1 while it is the writer's turn
	mayRead  = 1 // 1 while it is the reader's
)

// A writer and a reader, two processes, take turns: each waits for its own semaphore (P)
// and gives the other's (V).
func Example_turns() {
	s, err := sysvsem.Get(sysvsem.Private, 2, sysvsem.Create|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Remove()
	reader := helper("example reader", s) // runs exampleReader
	reader.Stdout = os.Stdout
	if err := reader.Start(); err != nil {
		log.Fatal(err)
	}

	for i := range 3 {
		fmt.Println("writer", i)
		if err := s.OpTimeout(5*time.Second, sysvsem.V(mayRead)); err != nil {
			log.Fatal(err)
		}
		if err := s.OpTimeout(5*time.Second, sysvsem.P(mayWrite)); err != nil {
			log.Fatal(err)
		}
	}
	if err := reader.Wait(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// writer 0
	// reader 0
	// writer 1
	// reader 1
	// writer 2
	// reader 2
}

func exampleReader(s *sysvsem.Set) error {
	for i := range 3 {
		if err := s.OpTimeout(5*time.Second, sysvsem.P(mayRead)); err != nil {
			return err
		}
		fmt.Println("reader", i)
		if err := s.OpTimeout(5*time.Second, sysvsem.V(mayWrite)); err != nil {
			return err
		}
	}
	return nil
}

// A process waits until a semaphore is zero: until all workers, processes as well, are done.
func Example_waitForZero() {
	const workers = 3
	s, err := sysvsem.Get(sysvsem.Private, 1, sysvsem.Create|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Remove()
	if err := s.SetVal(0, workers); err != nil {
		log.Fatal(err)
	}
	for range workers {
		worker := helper("example worker", s) // runs exampleWorker
		if err := worker.Start(); err != nil {
			log.Fatal(err)
		}
		defer worker.Wait()
	}
	if err := s.Op(context.Background(), sysvsem.Zero(0)); err != nil {
		log.Fatal(err)
	}
	fmt.Println("all done")
	// Output: all done
}

func exampleWorker(s *sysvsem.Set) error {
	return s.OpTimeout(5*time.Second, sysvsem.P(0))
}
