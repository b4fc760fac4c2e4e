package bus

import (
	"context"
	"iter"
)

// A TypedMessage is a message with the value that it was decoded into.
type TypedMessage[T any] struct {
	Message
	Value T
}

// Messages is [Values] with the message for each value: its topic, its position, its time. With a
// [*DecodeError] it yields the message that could not be decoded.
func Messages[T any](ctx context.Context, s *Subscription) iter.Seq2[TypedMessage[T], error] {
	return func(yield func(TypedMessage[T], error) bool) {
		for m, err := range s.All(ctx) {
			t := TypedMessage[T]{Message: m}
			if err == nil {
				err = m.Decode(&t.Value)
			}
			if !yield(t, err) {
				return
			}
		}
	}
}
