//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"shmbus/internal/fault"
)

// A run is several rounds, each with a bus of its own.
type run struct {
	options
	rnd     *rand.Rand
	dir     string
	verdict *verdict
	pool    *pool
	tally   tally
	began   time.Time
	lastID  uint32
	log     *os.File // of deeds
}

func newRun(o options) (*run, error) {
	dir, err := os.MkdirTemp(roomy(), "shmbus-chaos-")
	if err != nil {
		return nil, err
	}
	forget()
	os.Setenv("SHMBUS_DIR", dir)
	r := &run{options: o, dir: dir, rnd: rand.New(rand.NewPCG(o.seed, 0)), verdict: &verdict{dir: dir}, tally: newTally()}
	r.log, err = os.Create(filepath.Join(dir, "deeds.txt"))
	if err == nil && o.busd == "" {
		err = r.buildBusd()
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	r.pool = newPool(dir)
	r.began = time.Now()
	return r, nil
}

// roomy returns a folder in memory, if there is one: the diaries are written all the time.
func roomy() string {
	const shm = "/dev/shm"
	if d, err := os.MkdirTemp(shm, "chaos-try-"); err == nil {
		os.Remove(d)
		return shm
	}
	return ""
}

// buildBusd builds the real daemon, with the same faults as everybody else.
func (r *run) buildBusd() error {
	r.busd = filepath.Join(r.dir, "busd")
	args := []string{"build", "-o", r.busd}
	if fault.Enabled {
		args = append(args, "-tags", "faults")
	}
	cmd := exec.Command("go", append(args, "shmbus/cmd/busd")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build busd: %w (run it in the module's folder, or name one with -busd)\n%s", err, &out)
	}
	return nil
}

func (r *run) close() {
	r.pool.close()
	r.log.Close()
	if r.verdict.failed() {
		fmt.Fprintf(os.Stderr, "chaos: logs are in %s\n", r.dir)
		return
	}
	os.RemoveAll(r.dir)
}

// rounds shares kills and time out among the rounds.
func (r *run) rounds(ctx context.Context) error {
	// Processes die with the thread that started them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range r.options.rounds {
		if ctx.Err() != nil || r.verdict.failed() {
			return nil
		}
		limit := limit{}
		if r.kills > 0 {
			limit.kills = r.tally.kills() + max((r.kills-r.tally.kills())/(r.options.rounds-i), 1)
		}
		if r.duration > 0 {
			limit.until = time.Now().Add((r.duration - time.Since(r.began)) / time.Duration(r.options.rounds-i))
		}
		if err := r.round(ctx, i, limit); err != nil {
			return err
		}
	}
	return nil
}

// A limit ends a round.
type limit struct {
	kills int // in all rounds so far; 0: none
	until time.Time
}

func (l limit) reached(kills int) bool {
	return l.kills > 0 && kills >= l.kills || !l.until.IsZero() && time.Now().After(l.until)
}

// first returns the position at which the bus of a round begins: a little before laps wrap, or
// before positions in wake words do.
func (r *run) firstPosition(round int) uint64 {
	if r.first != 0 || !fault.Enabled {
		return r.first
	}
	wrap := uint64(r.slots) << 32
	if round%2 == 1 {
		wrap = 1 << 46
	}
	return wrap - uint64(r.rnd.IntN(100_000)+20_000)
}

// deed logs what was done to whom.
func (r *run) deed(format string, a ...any) {
	s := fmt.Sprintf(format, a...)
	fmt.Fprintf(r.log, "%.6f %s\n", time.Since(r.began).Seconds(), s)
	if r.verbose {
		fmt.Println(s)
	}
}
