//go:build linux

package testproc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Exit codes of workers.
const (
	exitFault  = 1 // it has reported a fault
	exitOrphan = 4 // its parent is gone
)

// A Child is the worker's side of a [Worker].
type Child struct {
	Role string

	job    string
	ctx    context.Context
	orders chan string
	mu     sync.Mutex
	out    *json.Encoder
}

// Roles are what the workers of a program do, by name. A worker ends, with code 0, when its role
// returns.
type Roles map[string]func(*Child)

// With is a role that takes a job.
func With[J any](play func(*Child, J)) func(*Child) {
	return func(c *Child) {
		var j J
		c.Check(json.Unmarshal([]byte(c.job), &j))
		play(c, j)
	}
}

// Play plays the role that this process is to play, and ends it. It returns at once if the process
// is not a worker.
func Play(roles Roles) {
	role := os.Getenv(envRole)
	if role == "" {
		return
	}
	ctx, exit := context.WithCancel(context.Background())
	c := &Child{
		Role: role, job: os.Getenv(envJob), ctx: ctx,
		orders: make(chan string, 64), out: json.NewEncoder(os.Stdout),
	}
	// A worker that a worker starts is told its own role.
	os.Unsetenv(envRole)
	os.Unsetenv(envJob)
	if st, err := os.Stdin.Stat(); err == nil && st.Mode()&os.ModeNamedPipe != 0 {
		go c.listen(exit)
	}
	play := roles[role]
	if play == nil {
		c.Fault("there is no role %q", role)
	}
	play(c)
	os.Exit(0)
}

func (c *Child) listen(exit func()) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if order := in.Text(); order != "exit" {
			c.orders <- order
		} else {
			exit()
		}
	}
	os.Exit(exitOrphan)
}

// Context ends with the order "exit".
func (c *Child) Context() context.Context { return c.ctx }

// Orders are those that have not been taken.
func (c *Child) Orders() <-chan string { return c.orders }

// Say reports an event, with data that are encoded as JSON unless they are nil. Any goroutine may
// call it.
func (c *Child) Say(event string, data any) {
	e := Event{Name: event}
	if data != nil {
		b, err := json.Marshal(data)
		c.Check(err)
		e.Data = b
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.Encode(e) != nil {
		os.Exit(exitOrphan)
	}
}

// Await waits for an order. It is a fault if another comes. The order "exit" ends the process.
func (c *Child) Await(order string) {
	select {
	case got := <-c.orders:
		if got != order {
			c.Fault("got the order %q instead of %q", got, order)
		}
	case <-c.ctx.Done():
		os.Exit(0)
	}
}

// Told reports whether the next order has come, which is to be the given one.
func (c *Child) Told(order string) bool {
	if len(c.orders) == 0 {
		return false
	}
	c.Await(order)
	return true
}

// Fault reports a broken promise and ends the process.
func (c *Child) Fault(format string, a ...any) {
	c.Say(fault, fmt.Sprintf(format, a...))
	os.Exit(exitFault)
}

// Check reports an error as a fault.
func (c *Child) Check(err error) {
	if err != nil {
		c.Fault("%v", err)
	}
}
