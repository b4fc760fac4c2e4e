package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"shmbus/test/leak"
)

func TestMain(m *testing.M) { leak.Main(withCommands{m}) }

// bin is the folder of the commands and of the demo.
var bin string

// withCommands builds the commands for the tests.
type withCommands struct{ m *testing.M }

func (w withCommands) Run() int {
	dir, err := os.MkdirTemp("", "demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "./cmd/busd", "./cmd/buspub", "./cmd/bussub", "./test/demo")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s\n%v\n", out, err)
		return 1
	}
	bin = dir
	return w.m.Run()
}
