package bus

import "container/list"

// A line is a queue of goroutines that wait until each is given a T, first come, first served. Its methods are called with
// the owner's mutex held.
type waitQueue[T any] struct{ waiters list.List }

// A seat is one goroutine's in a line.
type waiter[T any] struct {
	given   chan T // capacity 1
	element *list.Element
}

func (l *waitQueue[T]) empty() bool { return l.waiters.Len() == 0 }

// join adds the caller at the end. It receives from given without the mutex, until it has a T or leaves.
func (l *waitQueue[T]) join() *waiter[T] {
	p := &waiter[T]{given: make(chan T, 1)}
	p.element = l.waiters.PushBack(p)
	return p
}

// serve gives v to the first in the line. It returns false if nobody waits.
func (l *waitQueue[T]) serve(v T) bool {
	first := l.waiters.Front()
	if first == nil {
		return false
	}
	p := l.waiters.Remove(first).(*waiter[T])
	p.element = nil
	p.given <- v
	return true
}

// leave takes p out of the line. It returns false if p was served before: then given holds a T.
func (l *waitQueue[T]) leave(p *waiter[T]) bool {
	if p.element == nil {
		return false
	}
	l.waiters.Remove(p.element)
	p.element = nil
	return true
}
