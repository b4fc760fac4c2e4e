package main

import (
	"os"
	"testing"

	"shmbus/internal/leak"
	"shmbus/test/bench/link/linktest"
	"shmbus/test/bench/worker"
)

// The test binary is its own worker, and has contenders that cheat.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main(os.Args[2:], os.Stdin, os.Stdout))
	}
	leak.Main(linktest.WithServer(m))
}
