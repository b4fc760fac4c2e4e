//go:build linux

package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A user who may write to the folder of key files may make any kind of file there, with the name of
// a key file.
func TestAFIFOInPlaceOfAKeyFileHoldsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.shmbus")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	answer := make(chan bool, 1)
	go func() { answer <- locked(path) }()
	select {
	case is := <-answer:
		require.False(t, is)
	case <-time.After(10 * time.Second):
		t.Fatal("waits for somebody who writes to the FIFO")
	}
}
