package bus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shmbus/internal/registry"
)

// WaitForBus ends with the bus that is made meanwhile, in every way to open one.
func TestWaitForBus(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	in := WithDir(dir)
	made, err := Create("key", WithDir(t.TempDir()))
	require.NoError(t, err)
	defer func() { assert.NoError(t, Remove("key", WithDir(filepath.Dir(made.seg.Path)))) }()
	defer made.Close()
	for name, open := range map[string]func(o Option) (interface{ Close() error }, error){
		"Open":       func(o Option) (interface{ Close() error }, error) { return Open("late", in, o) },
		"Observe":    func(o Option) (interface{ Close() error }, error) { return Observe("late", in, o) },
		"OpenKey":    func(o Option) (interface{ Close() error }, error) { return OpenKey(made.Key(), o) },
		"ObserveKey": func(o Option) (interface{ Close() error }, error) { return ObserveKey(made.Key(), o) },
	} {
		t.Run(name, func(t *testing.T) {
			opened := make(chan error)
			go func() {
				h, err := open(WaitForBus(soon(t)))
				if err == nil {
					err = h.Close()
				}
				opened <- err
			}()
			time.Sleep(20 * time.Millisecond)
			b, _, err := OpenOrCreate("late", in, WaitForBus(context.Context(nil)))
			require.NoError(t, err, "the option is none of OpenOrCreate's business")
			assert.NoError(t, <-opened)
			require.NoError(t, b.Close())
			require.NoError(t, Remove("late", in))
		})
	}
}

// When the context ends, the error is that, and what was missing as well.
func TestWaitForBusEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err := Open("never", WithDir(t.TempDir()), WaitForBus(ctx))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, ErrNotFound)
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	assert.Equal(t, "never", missing.Name)
	var op *OpError
	require.ErrorAs(t, err, &op)
	assert.Equal(t, "never", op.Bus)
	assert.Regexp(t, `^open bus "never": context deadline exceeded: there is no such bus, nor any other, in `, err.Error())

	_, err = Observe("never", WithDir(t.TempDir()), WaitForBus(ctx))
	assert.ErrorIs(t, err, context.DeadlineExceeded, "it had ended before the call")
	assert.NotErrorIs(t, err, ErrNotFound, "so that nothing was looked at")
	_, err = OpenKey(0x7fffff01, WaitForBus(context.Context(nil)))
	assert.ErrorIs(t, err, ErrInvalid)
}

// A creator that holds the key file is not waited for after the context has ended.
func TestWaitForBusEndsWhileItIsMade(t *testing.T) {
	dir := t.TempDir()
	lock, err := registry.Lock(registry.KeyPath(dir, "slow"), true, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err = Open("slow", WithDir(dir), WaitForBus(ctx))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, ErrIncomplete)
}

// Errors that no waiting mends are returned at once.
func TestWaitForBusDoesNotWaitInVain(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(registry.KeyPath(dir, "odd"), []byte("nonsense"), 0o600))
	_, err := Open("odd", WithDir(dir), WaitForBus(soon(t)))
	assert.ErrorContains(t, err, "is not a key file of this version")
	_, err = Open("no/name", WithDir(dir), WaitForBus(soon(t)))
	assert.ErrorIs(t, err, ErrName)
	_, err = Observe("no/name", WithDir(dir), WaitForBus(soon(t)))
	assert.ErrorIs(t, err, ErrName)
}

// Follow calls its function with each bus of the name, one after the other, and with nothing but
// these.
func TestFollow(t *testing.T) {
	in, ctx := WithDir(t.TempDir()), soon(t)
	uuids := make(chan string)
	errDone := errors.New("done")
	end := make(chan error)
	rounds := 0
	go func() {
		end <- Follow(ctx, "again", func(b *Bus) error {
			rounds++
			if rounds == 2 {
				defer b.Close() // as one does with handles
			}
			uuids <- b.UUID()
			if rounds == 3 {
				return errDone
			}
			s, err := b.Subscribe("t", FromOldest())
			if err != nil {
				return err
			}
			_, err = s.Next(ctx)
			return err
		}, in)
	}()
	var last *Bus
	for range 3 {
		b, err := Create("again", in)
		require.NoError(t, err)
		assert.Equal(t, b.UUID(), <-uuids)
		require.NoError(t, Remove("again", in))
		require.NoError(t, errors.Join(b.Close()))
		last = b
	}
	assert.ErrorIs(t, <-end, errDone)
	assert.Equal(t, 3, rounds)

	_, err := last.Publisher("t")
	assert.ErrorIs(t, err, ErrClosed)
	assert.NoError(t, Follow(ctx, "one", func(b *Bus) error { return nil }, in, func() Option {
		b, err := Create("one", in)
		require.NoError(t, err)
		t.Cleanup(func() { b.Close(); Remove("one", in) })
		return nil
	}()))
	assert.ErrorIs(t, Follow(ctx, "one", nil, in), ErrInvalid)
}

// An ErrRemoved of another bus than the one that Follow opened is an error as any other.
func TestFollowIsNotMisled(t *testing.T) {
	b := newBus(t)
	gone := newBus(t)
	calls := 0
	err := Follow(soon(t), b.Name(), func(*Bus) error {
		calls++
		return &OpError{Op: "publish", Bus: gone.Name(), Err: ErrRemoved}
	}, WithDir(filepath.Dir(b.seg.Path)))
	assert.ErrorIs(t, err, ErrRemoved)
	assert.Equal(t, 1, calls)
}

// A context that ends while there is no bus ends Follow, and so does a panic, which leaves no
// handle open.
func TestFollowEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	err := Follow(ctx, "never", func(*Bus) error { t.Error("called"); return nil }, WithDir(t.TempDir()))
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	b := newBus(t)
	assert.Panics(t, func() {
		_ = Follow(soon(t), b.Name(), func(*Bus) error { panic("odd") }, WithDir(filepath.Dir(b.seg.Path)))
	})
	st, err := b.Snapshot()
	require.NoError(t, err)
	assert.Len(t, st.Clients, 1)
}
