package litmus

import "testing"

// TestKnownVerdicts compares the checker for Armv8 with what the literature says of the usual tests
// (herd7's aarch64.cat; Pulte, Flur, Deacon, French, Sarkar and Sewell, "Simplifying ARM
// concurrency", 2018), and that for TSO with Intel's manual (vol. 3, 9.2.3).
func TestKnownVerdicts(t *testing.T) {
	type known struct {
		name    string
		threads []thread
		outcome map[string]int
		arm     bool // allowed on Armv8 with LSE
		tso     bool
	}
	mp, sb := map[string]int{"a": 1, "b": 0}, map[string]int{"a": 0, "b": 0}
	for _, k := range []known{
		{"MP", []thread{{write("x", 1), write("y", 1)}, {read("y", "a"), read("x", "b")}}, mp, true, false},
		{"MP+rel+acq", []thread{{write("x", 1), storeRelease("y", 1)}, {atomicLoad("y", "a"), read("x", "b")}}, mp, false, false},
		{"MP+dmb+dmbld", []thread{{write("x", 1), fenceFull, write("y", 1)}, {read("y", "a"), fenceLoads, read("x", "b")}}, mp, false, false},
		{"MP+dmb+po", []thread{{write("x", 1), fenceFull, write("y", 1)}, {read("y", "a"), read("x", "b")}}, mp, true, false},
		{"MP+dmb+po-acq", []thread{{write("x", 1), fenceFull, write("y", 1)}, {read("y", "a"), atomicLoad("x", "b")}}, mp, true, false},
		{"MP+rel-then-plain", []thread{{storeRelease("x", 1), write("y", 1)}, {atomicLoad("y", "a"), atomicLoad("x", "b")}}, mp, true, false},
		{"SB", []thread{{write("x", 1), read("y", "a")}, {write("y", 1), read("x", "b")}}, sb, true, true},
		{"SB+rel-acq", []thread{{storeRelease("x", 1), atomicLoad("y", "a")}, {storeRelease("y", 1), atomicLoad("x", "b")}}, sb, false, true},
		{"SB+xchg", []thread{{atomicStore("x", 1), atomicLoad("y", "a")}, {atomicStore("y", 1), atomicLoad("x", "b")}}, sb, false, false},
		{"SB+rel-ldapr", []thread{{storeRelease("x", 1), loadPC("y", "a")}, {storeRelease("y", 1), loadPC("x", "b")}}, sb, true, true},
		{"SB+storeload", []thread{{write("x", 1), membarrier, read("y", "a")}, {write("y", 1), membarrier, read("x", "b")}}, sb, false, false},
		{"SB+dmbld", []thread{{write("x", 1), fenceLoads, read("y", "a")}, {write("y", 1), fenceLoads, read("x", "b")}}, sb, true, true},
		{"LB", []thread{{read("x", "a"), write("y", 1)}, {read("y", "b"), write("x", 1)}}, map[string]int{"a": 1, "b": 1}, true, false},
		{"LB+acq", []thread{{atomicLoad("x", "a"), write("y", 1)}, {atomicLoad("y", "b"), write("x", 1)}}, map[string]int{"a": 1, "b": 1}, false, false},
		{"IRIW", []thread{{write("x", 1)}, {write("y", 1)}, {read("x", "a"), read("y", "b")}, {read("y", "c"), read("x", "d")}},
			map[string]int{"a": 1, "b": 0, "c": 1, "d": 0}, true, false},
		{"IRIW+acq", []thread{{write("x", 1)}, {write("y", 1)}, {atomicLoad("x", "a"), read("y", "b")}, {atomicLoad("y", "c"), read("x", "d")}},
			map[string]int{"a": 1, "b": 0, "c": 1, "d": 0}, false, false},
		{"WRC+acq-rel+acq", []thread{{write("x", 1)}, {atomicLoad("x", "a"), storeRelease("y", 1)}, {atomicLoad("y", "b"), read("x", "c")}},
			map[string]int{"a": 1, "b": 1, "c": 0}, false, false},
		{"CoRR", []thread{{write("x", 1)}, {read("x", "a"), read("x", "b")}}, mp, false, false},
		{"SB+cas", []thread{{swap("x", 0, 1), read("y", "a")}, {write("y", 1), membarrier, read("x", "b")}}, sb, true, false},
		{"MP+cas-then-plain-store", []thread{{swap("x", 0, 1), write("y", 1)}, {atomicLoad("y", "a"), read("x", "b")}}, mp, true, false},
		{"SB+cas-between", []thread{{write("x", 1), or("z", 1), read("y", "a")}, {write("y", 1), membarrier, read("x", "b")}}, sb, false, false},
		// Two updates of one word exclude each other: both cannot find it as it was.
		{"2xCAS", []thread{{swap("x", 0, 1)}, {swap("x", 0, 2)}}, nil, false, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			piece := Test{Threads: k.threads, Outcome: k.outcome}
			if got := LSE.Allows(piece); got != k.arm {
				t.Errorf("allowed on Armv8: %v, want %v", got, k.arm)
			}
			if got := TSO.Allows(piece); got != k.tso {
				t.Errorf("allowed on amd64: %v, want %v", got, k.tso)
			}
			if SC.Allows(piece) {
				t.Errorf("allowed in order")
			}
		})
	}
	// LDAXR and STLXR are no barrier between accesses before them and accesses after them.
	between := Test{
		Threads: []thread{{write("x", 1), or("z", 1), read("y", "a")}, {write("y", 1), membarrier, read("x", "b")}},
		Outcome: sb,
	}
	if !Armv8.Allows(between) {
		t.Error("forbidden on Armv8.0: a loop of exclusives would be a barrier")
	}
}
