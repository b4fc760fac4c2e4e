//go:build linux

package main

import (
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"shmbus/bus"
)

func TestSpecFlags(t *testing.T) {
	s := defaultSpec()
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.flags(fs)
	require.NoError(t, fs.Parse([]string{"--slots", "64K", "--slot-size=512", "--topics", "10", "--publishers", "3", "--subscribers", "65",
		"--clients", "7", "--max-frame", "1M", "--mode", "0660", "--group", "17", "--remove-on-exit", "--on-removed", "recreate"}))
	require.Equal(t, spec{
		Slots: 64 << 10, SlotSize: 512, Topics: 10, Publishers: 3, Subscribers: 65, Clients: 7, MaxFrame: 1 << 20,
		Mode: 0o660, Group: 17, RemoveOnExit: true, OnRemoved: removedRecreate,
	}, s)
	require.Len(t, s.options(), 9)
	require.Len(t, defaultSpec().options(), 2, "what is not given is left to the bus")
}

func TestSpecDifferences(t *testing.T) {
	g, _ := bus.NewSizes()
	require.Empty(t, defaultSpec().differs(g))
	s := defaultSpec()
	s.Slots, s.Subscribers, s.SlotSize = 8192, 200, 256 // what follows from a size is not a difference
	require.Equal(t, []string{"slots 16K instead of 8K"}, s.differs(g), "200 subscribers are rounded up to 256")
}

func TestGroupValue(t *testing.T) {
	g := groupValue(-1)
	require.Empty(t, g.String())
	require.NoError(t, g.Set("root"))
	require.Equal(t, groupValue(0), g)
	require.NoError(t, g.Set("12345"))
	require.Equal(t, "12345", g.String())
	require.ErrorContains(t, g.Set("no such group"), "neither a group")
	require.Error(t, g.Set("-1"))

	s := defaultSpec()
	s.Group = 5
	require.ErrorContains(t, s.check(), "0660")
	for _, mode := range []modeValue{0o660, 0o640} {
		s.Mode = mode
		require.NoError(t, s.check())
	}
}

func TestModeValue(t *testing.T) {
	for in, want := range map[string]modeValue{"0660": 0o660, "660": 0o660, "0o600": 0o600, "0": 0} {
		var m modeValue
		require.NoError(t, m.Set(in))
		require.Equal(t, want, m)
	}
	m := modeValue(0o600)
	for _, in := range []string{"", "1777", "8", "rw", "-1"} {
		require.Error(t, m.Set(in), in)
	}
	require.Equal(t, "0600", m.String())
}
