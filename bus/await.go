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

// WaitForBus makes [Open], [OpenKey], [Observe] and [ObserveKey] wait until the bus exists, or ctx
// ends. They wait where they would otherwise return [ErrNotFound], [ErrIncomplete] or [ErrRemoved];
// any other error is returned at once.
//
// When ctx ends during the wait, the error says both why the wait ended and what was missing:
// errors.Is finds context.DeadlineExceeded or context.Canceled as well as [ErrNotFound], and
// errors.As finds the [*NotFoundError]. A context that has ended before the call is its only error.
// The wait looks for the bus at least 20 times a second. Functions that make, list or remove buses
// ignore the option.
func WaitForBus(ctx context.Context) Option {
	return func(c *config) { c.awaits, c.await = true, ctx }
}

// The pause between two looks for a bus, or for subscribers, starts at awaitFirst and doubles up to
// awaitLongest.
const (
	awaitFirst   = time.Millisecond
	awaitLongest = 50 * time.Millisecond
)

// await calls open and returns its result. With WaitForBus it calls open again while the error says
// that there is no bus, until the context ends. Between two tries it calls present, which is cheap,
// to find out whether another try is worthwhile.
func await[T any](c config, op, name string, present func() bool, open func() (T, error)) (T, error) {
	if !c.awaits {
		return open()
	}
	var none T
	if err := alive(c.await); err != nil {
		return none, &OpError{Op: op, Bus: name, Err: err}
	}
	for pause := awaitFirst; ; pause = min(2*pause, awaitLongest) {
		// The context is checked before the bus. So a process that was stopped until after its
		// deadline finds a bus that was made meanwhile.
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

// patience returns a context that ends when opening must no longer wait for a process that is
// making or removing the bus.
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

// withoutOp returns the error inside an OpError, and any other error as it is.
func withoutOp(err error) error {
	if op, ok := err.(*OpError); ok {
		return op.Err
	}
	return err
}

// always is the check for a bus that can be found only by opening it.
func always() bool { return true }

// named reports whether there is a file where a key file of the bus may be. If the name is not
// valid it reports true, and Open returns the error.
func (c config) named(name string) func() bool {
	return func() bool {
		return CheckName(name) != nil || slices.ContainsFunc(c.dirs, func(dir string) bool {
			_, err := os.Lstat(registry.KeyPath(dir, name))
			return !errors.Is(err, os.ErrNotExist)
		})
	}
}

// Follow opens the bus as soon as it exists, calls f with it, and closes it when f returns. If f
// returns an error that is [ErrRemoved] because the bus was removed, Follow waits for the next bus
// of the name and calls f again. Any other result of f, including nil, is the result of Follow. If
// ctx ends while there is no bus, the error is that of [WaitForBus]. Follow closes the handle; f
// that closes it itself does so after its last error.
//
// The next bus is another one: its positions start again at 0, and [Bus.UUID] tells the two apart.
// Subscribe to it with [FromOldest] to receive also what was published before f was called.
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
