package bus

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An owner that does not exist is an error, and never the user that the number's low bits name.
func TestOwnerThatDoesNotExist(t *testing.T) {
	dir := WithDir(t.TempDir())
	for _, id := range []int{-2, math.MinInt, 1 << 32, 1<<32 + 5} {
		for what, o := range map[string]Option{"user": WithOwner(id, -1), "group": WithOwner(-1, id)} {
			_, err := Create("prices", dir, o)
			require.ErrorContains(t, err, fmt.Sprintf("there is no %s %d", what, id))
		}
	}
	entries, err := List(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// An error about sizes names those that were asked for, and no others.
func TestErrorsNameTheSizesThatWereAsked(t *testing.T) {
	for what, o := range map[string]Option{
		"subscribers": WithSubscribers(math.MaxInt),
		"publishers":  WithPublishers(math.MaxInt),
	} {
		_, err := NewSizes(o)
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("%s %d is not in", what, math.MaxInt))
		require.NotContains(t, err.Error(), "clients")
	}
}

// No bus has key 0, with which the kernel makes a new object each time.
func TestKeyZero(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := OpenKey(0, WaitForBus(ctx))
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "no bus's")
	_, err = ObserveKey(0)
	require.ErrorIs(t, err, ErrInvalid)
}

// An object that is not there is explained in terms of buses, not of System V flags.
func TestNoSuchBusByNumber(t *testing.T) {
	t.Setenv("SHMBUS_DIR", t.TempDir())
	for name, call := range map[string]func() error{
		"OpenKey":    func() error { _, err := OpenKey(0x7fffff01); return err },
		"ObserveKey": func() error { _, err := ObserveKey(0x7fffff01); return err },
		"Restore":    func() error { return Restore("x", math.MaxInt32) },
	} {
		err := call()
		require.ErrorIs(t, err, ErrNotFound, name)
		require.ErrorContains(t, err, "busd ", name)
		require.NotContains(t, err.Error(), "Create", name)
	}
}
