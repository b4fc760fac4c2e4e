//go:build linux

package main

import (
	"testing"

	"shmbus/cmd/internal/pipetest"
)

func TestMain(m *testing.M) { pipetest.Main(m) }

type text = pipetest.Text

var (
	home   = pipetest.Home
	create = pipetest.Create
)
