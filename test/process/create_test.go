//go:build linux

package process

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

// Of many who open or create the same bus at once, exactly one creates it, and all have the same.
func TestCreateRace(t *testing.T) {
	const processes, rounds = 20, 5
	useDir(t)
	for range rounds {
		var jobs []job
		for i := range processes {
			jobs = append(jobs, job{Role: "create", Bus: busName, ID: i, Creation: creation{Slots: 64}})
		}
		ws := startAll(t, jobs...)
		tellAll(ws, "go")
		made, ids := 0, map[int]bool{}
		for _, w := range ws {
			r := w.expect("done")
			ids[r.Index] = true
			if r.Made {
				made++
			}
		}
		require.Equal(t, 1, made)
		require.Len(t, ids, 1)
		for _, w := range ws {
			w.exit()
		}
		require.NoError(t, bus.Remove(busName))
		noObjects(t)
	}
}

// killAtCall lets a worker run from mark(1) and kills it as it enters its k-th system call, which
// it names. finished says that it reached mark(2) before.
func killAtCall(t *testing.T, j job, k int) (name string, finished bool) {
	t.Helper()
	tr := trace(t, j)
	defer tr.end()
	tr.runTo(1)
	for range k + 1 {
		number, args := tr.nextCall()
		if isMark(number, args, 2) {
			return "", true
		}
		name = callName(number)
	}
	return name, false
}

// A creator that is killed at any of its system calls is in nobody's way: the next one creates the
// bus, and nothing is left.
func TestCreatorKilledAtEveryCall(t *testing.T) {
	for _, next := range []string{"create", "remove, create"} {
		t.Run("next="+next, func(t *testing.T) {
			useDir(t)
			for k := 0; ; k++ {
				smallIdentifiers(t)
				name, finished := killAtCall(t, job{Role: "make", Bus: busName}, k)
				if finished {
					require.Greater(t, k, 8)
					require.NoError(t, bus.Remove(busName))
					noObjects(t)
					return
				}
				if next == "remove, create" {
					if err := bus.Remove(busName); !errors.Is(err, bus.ErrNotFound) {
						require.NoError(t, err, "killed at call %d (%s)", k, name)
					}
					noObjects(t)
				}
				b, err := bus.Create(busName, bus.WithSlots(64))
				if errors.Is(err, bus.ErrExists) {
					// It was complete already.
					b, err = bus.Open(busName)
				}
				require.NoError(t, err, "killed at call %d (%s)", k, name)
				require.NoError(t, b.Close())
				require.NoError(t, bus.Remove(busName), "killed at call %d (%s)", k, name)
				noObjects(t)
			}
		})
	}
}

// smallIdentifiers makes the next identifiers as short as those on a machine that has just started,
// where it can be done. What a key file says of a finished bus is then shorter than what it said
// before.
func smallIdentifiers(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"shm", "sem"} {
		if err := os.WriteFile("/proc/sys/kernel/"+kind+"_next_id", []byte("3"), 0); err != nil {
			t.Logf("identifiers are as they come: %v", err)
		}
	}
}

// OpenOrCreate creates the bus whatever a killed creator has left.
func TestOpenOrCreateAfterKilledCreator(t *testing.T) {
	for _, tt := range []struct{ name, contents string }{
		{"before it wrote the key file", ""},
		{"before it made the segment", `{"shmbus":1,"state":"creating","uuid":"00000000-0000-0000-0000-000000000001","key":1000,"shmid":0,"semid":0}` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := useDir(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, busName+".shmbus"), []byte(tt.contents), 0o600))
			began := time.Now()
			b, made, err := bus.OpenOrCreate(busName)
			t.Logf("after %v", time.Since(began))
			require.NoError(t, err)
			require.True(t, made)
			require.NoError(t, b.Close())
			require.NoError(t, bus.Remove(busName))
			noObjects(t)
		})
	}
}

// A creator is killed at random moments of a tight loop of creating and removing.
func TestCreatorKilledAtRandom(t *testing.T) {
	const rounds = 60
	rnd := newRand(t)
	dir := useDir(t)
	for range rounds {
		w := startAll(t, job{Role: "recreate", Bus: busName, Creation: creation{Slots: 64}})[0]
		time.Sleep(time.Duration(rnd.IntN(6000)) * time.Microsecond) // the random moment
		w.killKeeping()
		b, err := bus.Create(busName, bus.WithSlots(64))
		if errors.Is(err, bus.ErrExists) {
			require.NoError(t, bus.Remove(busName))
			b, err = bus.Create(busName, bus.WithSlots(64))
		}
		require.NoError(t, err, "%s", keyFiles(dir))
		require.NoError(t, b.Close())
		require.NoError(t, bus.Remove(busName))
		noObjects(t)
		require.Empty(t, keyFiles(dir))
	}
}

func keyFiles(dir string) map[string]string {
	m := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, p := range paths {
		b, _ := os.ReadFile(p)
		m[filepath.Base(p)] = string(b)
	}
	return m
}

// rewriteKey changes the key file of the bus.
func rewriteKey(t *testing.T, dir string, change func(map[string]any)) {
	t.Helper()
	path := filepath.Join(dir, busName+".shmbus")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var k map[string]any
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	require.NoError(t, d.Decode(&k))
	change(k)
	b, err = json.Marshal(k)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
}
