package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"shmbus/test/leak"
)

// binaries is a folder with the commands, which every user can run.
var binaries string

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		work(role)
		return
	}
	leak.Main(withBinaries{m})
}

type withBinaries struct{ *testing.M }

func (w withBinaries) Run() int {
	dir, err := os.MkdirTemp("", "shmbus-host-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	out, err := exec.Command("go", "build", "-o", dir, "shmbus/cmd/busd", "shmbus/cmd/bussub").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "build the commands: %v\n%s", err, out)
		return 1
	}
	binaries = dir
	return w.M.Run()
}

func command(name string, args ...string) *exec.Cmd {
	return exec.Command(filepath.Join(binaries, name), args...)
}
