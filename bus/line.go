package bus

import "container/list"

// A line is a queue of goroutines that wait until each is given a T, first come, first served. Its methods are called with
// the owner's mutex held.
type line[T any] struct{ seats list.List }

// A seat is one goroutine's in a line.
type seat[T any] struct {
	given   chan T // capacity 1
	element *list.Element
}

func (l *line[T]) empty() bool { return l.seats.Len() == 0 }

// join adds the caller at the end. It receives from given without the mutex, until it has a T or leaves.
func (l *line[T]) join() *seat[T] {
	p := &seat[T]{given: make(chan T, 1)}
	p.element = l.seats.PushBack(p)
	return p
}

// serve gives v to the first in the line. It returns false if nobody waits.
func (l *line[T]) serve(v T) bool {
	first := l.seats.Front()
	if first == nil {
		return false
	}
	p := l.seats.Remove(first).(*seat[T])
	p.element = nil
	p.given <- v
	return true
}

// leave takes p out of the line. It returns false if p was served before: then given holds a T.
func (l *line[T]) leave(p *seat[T]) bool {
	if p.element == nil {
		return false
	}
	l.seats.Remove(p.element)
	p.element = nil
	return true
}
