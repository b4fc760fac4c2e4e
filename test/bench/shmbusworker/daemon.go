package shmbusworker

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"shmbus/bus"
	"shmbus/test/bench/worker"
)

// Daemon starts busd, of which busd= is the path, for a bus that another worker has made, and says
// its pid in each run.
func init() { worker.Register("shmbus", "daemon", openDaemon) }

type daemon struct{ *exec.Cmd }

func openDaemon(p worker.Params) (worker.Runner, error) {
	path := p.String("busd", "")
	if path == "" {
		return nil, fmt.Errorf("%w: there is no busd", worker.ErrSkipped)
	}
	d := daemon{exec.Command(path, "--bus", p["id"], "--quiet")}
	d.Env = append(os.Environ(), "SHMBUS_DIR="+p["dir"])
	d.Stderr = os.Stderr
	d.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := d.Start(); err != nil {
		return nil, err
	}
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		serves, err := served(p)
		if serves {
			return d, nil
		}
		if time.Since(start) > 10*time.Second {
			d.Close()
			return nil, fmt.Errorf("busd does not serve: %w", err)
		}
	}
}

// served reports whether the bus has a daemon.
func served(p worker.Params) (bool, error) {
	o, err := bus.Observe(p["id"], bus.WithDir(p["dir"]))
	if err != nil {
		return false, err
	}
	defer o.Close()
	s, err := o.Snapshot()
	return slices.ContainsFunc(s.Clients, func(c bus.ClientStatus) bool { return c.Daemon }), err
}

func (d daemon) Run(int) (worker.Report, error) {
	return worker.Report{Other: worker.Params{"pid": strconv.Itoa(d.Process.Pid)}}, nil
}

func (d daemon) Close() error {
	d.Process.Signal(syscall.SIGTERM)
	d.Wait()
	return nil
}
