package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"shmbus/internal/registry"
)

// WaitForBus makes [Open], [OpenKey], [Observe] and [ObserveKey] wait until the bus exists, or ctx ends. It waits where
// they would otherwise return [ErrNotFound], [ErrIncomplete] or [ErrRemoved]; any other error is returned at once.
//
// When ctx ends, the error is both what ended it and what was missing: errors.Is finds context.DeadlineExceeded or
// context.Canceled as well as [ErrNotFound], and errors.As the [*NotFoundError]. The wait looks for the bus at least 20
// times a second. Functions that make, list or remove buses ignore the option.
func WaitForBus(ctx context.Context) Option {
	return func(c *config) { c.awaits, c.await = true, ctx }
}

// The pauses between two looks for a bus, or for subscribers: each twice as long as the one before it.
const (
	awaitFirst   = time.Millisecond
	awaitLongest = 50 * time.Millisecond
)

// await returns what open returns, once it is worth returning: with WaitForBus errors that say that there is no bus are not, until the
// context ends. Between two tries it asks present, which is cheap, whether another is worth making.
func await[T any](c config, op, name string, present func() bool, open func() (T, error)) (T, error) {
	if !c.awaits {
		return open()
	}
	var none T
	if err := alive(c.await); err != nil {
		return none, &OpError{Op: op, Bus: name, Err: err}
	}
	for pause := awaitFirst; ; pause = min(2*pause, awaitLongest) {
		// The context is looked at before the bus: who was stopped for longer than its time finds the bus that came meanwhile.
		ended := c.await.Err()
		if ended != nil || present() {
			v, err := open()
			if !isAbsent(err) {
				return v, err
			}
			if ended != nil {
				return none, &OpError{Op: op, Bus: name, Err: fmt.Errorf("%w: %w", ended, withoutOp(err))}
			}
		}
		rest(c.await, pause)
	}
}

// patience ends when opening is to wait no longer for a process that is just making or removing the bus.
func (c config) patience() context.Context {
	if c.awaits {
		return c.await
	}
	return context.Background()
}

// rest returns after d, or when ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// isAbsent reports whether an error says that there is no bus yet, or none any more.
func isAbsent(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrIncomplete) || errors.Is(err, ErrRemoved)
}

// withoutOp returns the reason in an OpError.
func withoutOp(err error) error {
	if op, ok := err.(*OpError); ok {
		return op.Err
	}
	return err
}

// always is for a bus that nothing cheaper than opening it finds.
func always() bool { return true }

// named reports whether anything stands where a key file of the bus may be. If the name is not valid, Open says so.
func (c config) named(name string) func() bool {
	return func() bool {
		return CheckName(name) != nil || slices.ContainsFunc(c.dirs, func(dir string) bool {
			_, err := os.Lstat(registry.KeyPath(dir, name))
			return !errors.Is(err, os.ErrNotExist)
		})
	}
}

// Follow opens the bus, as soon as it exists, calls f with it, and closes it when f returns. It does so again, with
// the next bus of the name, each time that f has returned an error that is [ErrRemoved], because the bus was
// removed. Whatever else f returns, Follow returns, nil
// as well. When ctx ends while there is no bus, the error is as with [WaitForBus].
//
// The next bus is another one: its positions begin anew, and [Bus.UUID] tells it from the one before. Subscribe to it with
// [FromOldest] to receive also what was published before f was called.
func Follow(ctx context.Context, name string, f func(b *Bus) error, opts ...Option) error {
	if f == nil {
		return &OpError{Op: "follow", Bus: name, Err: fmt.Errorf("%w: the function is nil", ErrInvalid)}
	}
	opts = append(slices.Clone(opts), WaitForBus(ctx))
	for {
		b, err := Open(name, opts...)
		if err != nil {
			return err
		}
		err, removed := b.lend(f)
		if !removed {
			return err
		}
	}
}

// lend calls f with the handle, closes it, and reports whether f ended because the bus was removed.
func (b *Bus) lend(f func(b *Bus) error) (err error, removed bool) {
	defer b.Close()
	err = f(b)
	b.Close()
	return err, errors.Is(err, ErrRemoved) && b.seg.Lost.Load()
}
