//go:build linux

package sysvmsg_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"shmbus/sysvmsg"
)

const (
	request = 1 // type of the messages to the worker; it answers with the type that they contain
	answer  = 2
)

// Two processes exchange messages through one queue: each receives by a type of its own.
func Example() {
	q, err := sysvmsg.Get(sysvmsg.Private, sysvmsg.Create|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Remove()
	worker := helper("example worker", q) // runs exampleWorker
	if err := worker.Start(); err != nil {
		log.Fatal(err)
	}
	defer worker.Wait()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m := sysvmsg.Message{Type: request, Data: []byte("world")}
	if err := q.Send(ctx, m); err != nil {
		log.Fatal(err)
	}
	m, err = q.Receive(ctx, make([]byte, 100), answer, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data))
	// Output: Hello, world.
}

func exampleWorker(q *sysvmsg.Queue) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := q.Receive(ctx, make([]byte, 100), request, 0)
	if err != nil {
		return err
	}
	return q.Send(ctx, sysvmsg.Message{Type: answer, Data: fmt.Appendf(nil, "Hello, %s.", m.Data)})
}

// newExampleQueue returns a queue of messages of the types 3, 1 and 2, from the oldest on.
func newExampleQueue() *sysvmsg.Queue {
	q, err := sysvmsg.Get(sysvmsg.Private, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	for _, typ := range []int64{3, 1, 2} {
		m := sysvmsg.Message{Type: typ, Data: fmt.Appendf(nil, "message of type %d", typ)}
		if err := q.TrySend(m); err != nil {
			log.Fatal(err)
		}
	}
	return q
}

// Types as priorities: the message of the lowest type is received first.
func ExampleQueue_Receive_priorities() {
	q := newExampleQueue()
	defer q.Remove()
	for range 3 {
		m, err := q.Receive(context.Background(), make([]byte, 100), -3, 0)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// message of type 1
	// message of type 2
	// message of type 3
}

// A context ends the wait for a message.
func ExampleQueue_Receive_timeout() {
	q := newExampleQueue()
	defer q.Remove()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := q.Receive(ctx, make([]byte, 100), 7, 0)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded))
	// Output: true true
}

func ExampleQueue_TryReceive() {
	q := newExampleQueue()
	defer q.Remove()
	buf := make([]byte, 100)
	for {
		m, err := q.TryReceive(buf, 3, sysvmsg.Except)
		if errors.Is(err, sysvmsg.ErrNoMessage) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(m.Data))
	}
	// Output:
	// message of type 1
	// message of type 2
}

// A message that is longer than the buffer stays in the queue, so that it can be received with a
// larger one.
func ExampleQueue_TryReceive_longMessage() {
	q := newExampleQueue()
	defer q.Remove()
	buf := make([]byte, 4)
	m, err := q.TryReceive(buf, 0, 0)
	for errors.Is(err, sysvmsg.ErrShortBuffer) {
		buf = make([]byte, 2*len(buf))
		m, err = q.TryReceive(buf, 0, 0)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data), len(buf))
	// Output: message of type 3 32
}

func ExampleQueue_TrySend() {
	q := newExampleQueue()
	defer q.Remove()
	if err := q.SetMaxBytes(60); err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.TrySend(sysvmsg.Message{Type: 1, Data: []byte("one more")}))
	fmt.Println(q.TrySend(sysvmsg.Message{Type: 1, Data: []byte("and another")}))
	// Output:
	// <nil>
	// sysvmsg: queue is full
}

// Copy looks at messages without removing them.
func ExampleQueue_Copy() {
	q := newExampleQueue()
	defer q.Remove()
	buf := make([]byte, 100)
	for place := 0; ; place++ {
		m, err := q.Copy(buf, place)
		if errors.Is(err, sysvmsg.ErrNoMessage) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(place, string(m.Data))
	}
	// Output:
	// 0 message of type 3
	// 1 message of type 1
	// 2 message of type 2
}

// Processes that share nothing but the name of a file find the same queue.
func ExampleFtok() {
	file, err := os.CreateTemp("", "key")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	defer file.Close()

	key, err := sysvmsg.Ftok(file.Name(), 'M')
	if err != nil {
		log.Fatal(err)
	}
	created, err := sysvmsg.Get(key, sysvmsg.Create|sysvmsg.Exclusive|0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer created.Remove()
	found, err := sysvmsg.Get(key, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.ID() == created.ID())
	// Output: true
}

func ExampleList() {
	q := newExampleQueue()
	defer q.Remove()
	list, err := sysvmsg.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, st := range list {
		if st.ID == q.ID() {
			fmt.Println(st.Messages, st.Bytes, st.Mode)
		}
	}
	// Output: 3 51 -rw-------
}
