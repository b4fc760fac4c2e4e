package bus

import (
	"context"
	"errors"
	"iter"
)

// Receive returns the next message, decoded into a T.
func Receive[T any](ctx context.Context, s *Subscription) (T, Message, error) {
	var v T
	m, err := ReceiveInto(ctx, s, &v)
	return v, m, err
}

// ReceiveInto is [Receive] into the caller's value, which it clears first. A caller that uses one
// value for many messages saves an allocation for each.
func ReceiveInto[T any](ctx context.Context, s *Subscription, v *T) (Message, error) {
	var m Message
	var none T
	*v = none
	err := s.Receive(ctx, &m)
	if err == nil {
		err = m.Decode(v)
	}
	return m, err
}

// All returns an iterator over the messages. It ends without an error when ctx ends or the
// subscription is closed. A loss is yielded as a [*LossError], and the loop continues after it. Any
// other error is the last pair that the iterator yields. After [ErrCorrupt], call All again to
// continue with the messages after the damage.
//
// Any number of loops may share the subscription, unless it is [Exclusive]. No other call waits for
// the body of a loop.
//
// A loop takes both values: "for m, err := range s.All(ctx)". With "for m := range" the error is
// dropped, and each loss yields an empty message. [Message.Decode] returns an error for it, and
// [Subscription.Stats] counts the lost positions.
func (s *Subscription) All(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			if ctx != nil && ctx.Err() != nil {
				return
			}
			m, err := s.Next(ctx)
			if last(ctx, err) {
				if ctx == nil || ctx.Err() == nil && !errors.Is(err, ErrClosed) {
					yield(m, err)
				}
				return
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// Values is [Subscription.All] with the messages decoded into values of type T. For a message that
// does not fit T it yields a [*DecodeError] that names the message. [Messages] yields the message,
// too.
func Values[T any](ctx context.Context, s *Subscription) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for m, err := range Messages[T](ctx, s) {
			if !yield(m.Value, err) {
				return
			}
		}
	}
}

// last reports whether err ends the iteration.
func last(ctx context.Context, err error) bool {
	var loss *LossError
	return err != nil && (!errors.As(err, &loss) || ctx.Err() != nil)
}
