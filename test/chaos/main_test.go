//go:build linux

package main

import (
	"testing"

	"shmbus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
