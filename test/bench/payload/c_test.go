package payload

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// The C side has the same payload.
func TestCAgrees(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no gcc")
	}
	peer := filepath.Join(t.TempDir(), "peer")
	if out, err := exec.Command(gcc, "-O2", "-Wall", "-Wextra", "-Wno-unused-function", "-Werror", "-I../native", "-o", peer, "testdata/peer.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, size := range sizes {
		const first, n = 1<<40 + 60, 10 // across a message that is checked whole
		var in []byte
		b := New(size)
		for i := range uint64(n) {
			Stamp(b, first+i)
			in = append(in, b...)
		}
		cmd := exec.Command(peer, fmt.Sprint(size), fmt.Sprint(first))
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if !bytes.Equal(in, out) {
			t.Errorf("size %d: C stamps other bytes", size)
		}
	}
}
