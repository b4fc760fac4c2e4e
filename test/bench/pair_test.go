package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestPair(t *testing.T) {
	yardsticks := map[string]string{"throughput": "native/ring:size=48", "roundtrip": "native/bounce", "wake": "native/futex"}
	_, err := exec.LookPath("gcc")
	for role, b := range yardsticks {
		if err != nil {
			b = "shmbus:size=64,wait=block"
		}
		t.Run(role, func(t *testing.T) {
			h := testHost(t)
			var out strings.Builder
			o := pairOptions{a: "shmbus:size=48", b: b, role: role, rounds: 2, n: "100"}
			if err := pair(t.Context(), h, o, &out); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), "A/B ") || !strings.Contains(out.String(), "median of") {
				t.Error(out.String())
			}
		})
	}
}

// Every yardstick and every variant of the bus carries what it is given.
func TestContendersAreSound(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc")
	}
	for _, spec := range []string{
		"shmbus:size=16", "shmbus:size=4096,slotsize=256", "shmbus:size=72,wait=spin,slots=8", "shmbus:size=48,wait=yield",
		"native/ring:size=16", "native/ring:size=64,head=0", "native/ring:size=128,head=0,batch=64", "native/ring:size=48,mark=head",
		"native/ring:size=48,batch=64,slots=8", "native/ring:size=256", "native/ring:size=1000,slots=16",
		"native/memcpy:size=1048576", "native/memcpy:size=4096,buffers=4",
	} {
		t.Run(spec, func(t *testing.T) {
			h := testHost(t)
			var out strings.Builder
			if err := pair(t.Context(), h, pairOptions{a: spec, b: spec, role: "throughput", rounds: 2, n: "700"}, &out); err != nil {
				t.Error(err)
			}
		})
	}
}
