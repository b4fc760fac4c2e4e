package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"shmbus/test/bench/worker"
)

// patience is how long a worker waits for the other end to show up.
const patience = 20 * time.Second

// ServerVariable is the environment variable with the path of bench-nats, should it not be beside
// the program.
const ServerVariable = "SHMBUS_BENCH_NATS"

// Post leaves a text in a file that [Fetch] waits for.
func Post(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Fetch waits for the file that [Post] makes.
func Fetch(path string) (text string, err error) {
	err = UntilThere(func() error {
		b, err := os.ReadFile(path)
		text = string(b)
		return err
	})
	return text, err
}

// UntilThere repeats f while what it needs does not exist.
func UntilThere(f func() error) error {
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		err := f()
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EINTR)
		if !missing || time.Since(start) > patience {
			return err
		}
	}
}

// Again repeats f while it is interrupted by signals, or by there being nothing to do where it does
// not block.
func Again[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if err != unix.EINTR && err != unix.EAGAIN {
			return v, err
		}
	}
}

// Remove removes a file that may be gone already.
func Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Owe notes a kernel object that outlives its processes, "msg ID" or "mq NAME", which the parent
// removes should this worker be killed.
func Owe(p worker.Params, kind, what string) error {
	f, err := os.OpenFile(filepath.Join(p["dir"], "owed"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", kind, what)
	return errors.Join(err, f.Close())
}
