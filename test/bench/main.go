package main

import (
	"os"

	"shmbus/test/bench/worker"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		os.Exit(worker.Main(os.Args[2:], os.Stdin, os.Stdout))
	}
}
