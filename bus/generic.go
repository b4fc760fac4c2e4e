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

// ReceiveInto is [Receive] into a value of the caller's, whose contents are forgotten first. A
// value that is used again and again spares the allocation of each.
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
// subscription is closed. Loss arrives as a [*LossError], after which it goes on; any other error
// is the last thing it yields. That may be [ErrCorrupt], which passes over the damage: who wants to
// go on after it calls All again.
//
// Any number of loops may share the subscription, unless it is [Exclusive]. No other call waits for
// the body of one.
//
// A loop takes both values: "for m, err := range s.All(ctx)". Where "for m := range" leaves the
// error out, m is an empty message in place of each loss, which [Message.Decode] refuses, and
// [Subscription.Stats] has counted the positions.
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

// Values is [Subscription.All] with the messages decoded into values of type T. A message that is
// not a T arrives as a [*DecodeError], which names it. [Messages] yields the message, too.
func Values[T any](ctx context.Context, s *Subscription) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for m, err := range Messages[T](ctx, s) {
			if !yield(m.Value, err) {
				return
			}
		}
	}
}

// last reports whether nothing can follow err.
func last(ctx context.Context, err error) bool {
	var loss *LossError
	return err != nil && (!errors.As(err, &loss) || ctx.Err() != nil)
}
