//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/layout"
)

func TestMain(m *testing.M) {
	for name, play := range faulty {
		roles[name] = play
	}
	testproc.Main(m, plays())
}

// faulty are workers that do what no worker may.
var faulty = map[string]func(*worker){
	"idle": (*worker).rest,
	"panics": func(*worker) {
		panic("a worker's panic")
	},
	"faults": func(*worker) {
		go func() { // beyond recovery
			var p *int
			*p = 1
		}()
		for {
			time.Sleep(time.Hour)
		}
	},
	"hangs": func(w *worker) {
		w.call("Hang", time.Millisecond, func(context.Context) error {
			for {
				time.Sleep(time.Millisecond)
			}
		})
	},
	"spins": func(w *worker) {
		w.call("Spin", time.Millisecond, func(context.Context) error {
			for n := 0; ; n++ {
				runtime.KeepAlive(n)
			}
		})
	},
	"grows": func(w *worker) {
		grown = append(grown, bytes.Repeat([]byte{1}, 8<<20))
		w.rest()
	},
	"undocumented": func(w *worker) {
		w.call("Odd", time.Second, func(context.Context) error { return errors.New("something odd") })
		w.rest()
	},
	"late": func(w *worker) {
		w.call("Late", -w.slack-time.Second, func(context.Context) error { return nil })
		w.rest()
	},
	"misdelivers": func(w *worker) {
		w.session(func(b *bus.Bus, _ time.Time) {
			w.message(b, bus.Message{Topic: "a b", Raw: []byte{1}})
			w.message(b, bus.Message{Topic: "a", Raw: make([]byte, b.Sizes().MaxFrame+1)})
		})
	},
	"never ends": func(*worker) {
		for {
			time.Sleep(time.Hour)
		}
	},
}

var grown [][]byte

// TestViolationsAreCaught: a worker that breaks a rule is reported, with what it did.
func TestViolationsAreCaught(t *testing.T) {
	for role, says := range map[string]string{
		"panics": "a worker's panic", "faults": "nil pointer dereference", "hangs": "Hang has not returned", "spins": "Spin has not returned",
		"grows": "MiB resident", "undocumented": "undocumented error of Odd: something odd", "late": "Late returned", "misdelivers": "topic \"a b\"",
		"never ends": "does not end its round",
	} {
		t.Run(role, func(t *testing.T) {
			c := defaults()
			c.roles, c.round, c.each = []string{"idle", role}, 1, 500
			c.slack, c.memory, c.patience = 200*time.Millisecond, 64<<20, 3*time.Second
			if role == "grows" {
				c.each = 5000 // until it has
			}
			s, err := c.run(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, s.violations)
			require.Contains(t, fmt.Sprint(s.violations), says)
			var out bytes.Buffer
			s.write(&out, c)
			require.Contains(t, out.String(), "repeat it with: go run ./test/corrupt -seed 1 -round 1 -each ")
		})
	}
	t.Run("a large message", func(t *testing.T) {
		c := defaults()
		c.roles, c.round, c.each = []string{"misdelivers"}, 1, 200
		s, err := c.run(t.Context())
		require.NoError(t, err)
		require.Contains(t, fmt.Sprint(s.violations), "on a bus that takes 3000")
	})
}

// TestSentinel: what package bus does not document has no name.
func TestSentinel(t *testing.T) {
	require.Empty(t, sentinel(errors.New("odd")))
	require.Equal(t, "corrupt", sentinel(fmt.Errorf("x: %w", bus.ErrCorrupt)))
}

// TestRound: one round of each geometry, and no violation.
func TestRound(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"-mutations", "2500", "-each", "500", "-seed", "3"}, &stdout, &stderr)
	require.Zero(t, code, "%s%s", stdout.String(), stderr.String())
	require.Contains(t, stdout.String(), "5 rounds")
	require.Contains(t, stdout.String(), "2500 mutations")
	require.Contains(t, stdout.String(), "0 violations")
}

// TestMutationsFollowFromTheSeed: where and how is the same each time, every area and kind gets its
// share, and nothing is touched outside.
func TestMutationsFollowFromTheSeed(t *testing.T) {
	m, err := layout.NewMap(layout.Geometry{Slots: 8, SlotSize: 64, Owned: 2, Publishers: 2, Subscribers: 64, Clients: 4, Topics: 4, MaxFrame: 500})
	require.NoError(t, err)
	play := func(seed uint64) ([]byte, map[string]int) {
		mem := bytes.Repeat([]byte{0xa5}, m.Size+4096)
		u, seen := newMutator(seed, 1, m, mem), map[string]int{}
		for range 5000 {
			where, how := u.mutate()
			seen[where]++
			seen[how]++
		}
		require.Equal(t, bytes.Repeat([]byte{0xa5}, 4096), mem[m.Size:])
		return mem, seen
	}
	a, seen := play(1)
	b, _ := play(1)
	other, _ := play(2)
	require.Equal(t, a, b)
	require.NotEqual(t, a, other)
	for _, v := range areas {
		require.Greater(t, seen[v.name], 10, v.name)
	}
	for _, v := range kinds {
		require.Greater(t, seen[v.name], 10, v.name)
	}
}
