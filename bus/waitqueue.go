package bus

import "container/list"

// A waitQueue is a queue of goroutines, each of which waits until it is given a T, first in, first
// out. Its methods are called with the owner's mutex held.
type waitQueue[T any] struct{ waiters list.List }

// A waiter is a goroutine in a waitQueue.
type waiter[T any] struct {
	given   chan T // capacity 1
	element *list.Element
}

func (l *waitQueue[T]) empty() bool { return l.waiters.Len() == 0 }

// join adds the caller at the end. The caller receives from given, without the mutex, until it gets
// a T or leaves.
func (l *waitQueue[T]) join() *waiter[T] {
	p := &waiter[T]{given: make(chan T, 1)}
	p.element = l.waiters.PushBack(p)
	return p
}

// serve gives v to the first waiter and removes it. It returns false if the queue is empty.
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

// leave removes p from the queue. It returns false if p was served before: then given holds a T.
func (l *waitQueue[T]) leave(p *waiter[T]) bool {
	if p.element == nil {
		return false
	}
	l.waiters.Remove(p.element)
	p.element = nil
	return true
}
