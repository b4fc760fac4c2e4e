//go:build linux

package main

import (
	"testing"

	"shmbus/internal/testproc"
)

func TestMain(m *testing.M) {
	testproc.Main(testproc.Commands(m, "shmbus/cmd/busd", "shmbus/cmd/buspub", "shmbus/cmd/bussub", "shmbus/test/demo"), nil)
}
