package library

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"shmbus/test/bench/link"
	"shmbus/test/bench/worker"
)

// natsAddress is the file that says where the server is.
func natsAddress(p worker.Params) string { return filepath.Join(p["dir"], "nats") }

// BecomeServer is the role server: this process becomes bench-nats (see package natsserver).
func BecomeServer(p worker.Params) (worker.Runner, error) {
	path := os.Getenv(link.ServerVariable)
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(filepath.Dir(self), "bench-nats")
	}
	if _, err := exec.LookPath(path); err != nil {
		return nil, fmt.Errorf("%w: there is no bench-nats: %w", worker.ErrSkipped, err)
	}
	args := append([]string{path}, os.Args[2:]...) // without "worker"
	return nil, os.NewSyscallError("execve", syscall.Exec(path, append(args, "address="+natsAddress(p)), os.Environ()))
}
