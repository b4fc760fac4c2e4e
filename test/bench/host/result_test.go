package host

import (
	"strings"
	"testing"
	"time"
)

func TestParseResult(t *testing.T) {
	r, err := parseResult("n=7 start=100 end=250 cpu=90 bad=1 lost=2 rtt=80.5")
	if err != nil || r.N != 7 || r.Start != 100 || r.End != 250 || r.CPU != 90 || r.Bad != 1 || r.Lost != 2 || r.Other["rtt"] != "80.5" || len(r.Other) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	for line, want := range map[string]string{
		"":                                                          "n= is missing",
		"n=7 start=100 end=250 cpu=90 bad=1":                        "lost= is missing",
		"n=x start=1 end=2 cpu=0 bad=0 lost=0":                      "n=x",
		"n=7 start=1 end=2 cpu=0 bad=-1 lost=0":                     "bad=-1",
		"n=7 start=3 end=2 cpu=0 bad=0 lost=0":                      "before start",
		"n=7 n=7 start=3 end=4 cpu=0 bad=0":                         "twice",
		"n=7 start=3 end=4 cpu=0 bad=0 lost=0 x":                    "key=value",
		"n=7 start=3 end=4 cpu=0 bad=0 lost=0 samples=/nonexistent": "nonexistent",
	} {
		if _, err := parseResult(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", line, err, want)
		}
	}
}

func TestParseSpec(t *testing.T) {
	s, err := ParseSpec("native/ring:size=48,head=0")
	if name, ok := s.native(); err != nil || !ok || name != "ring" || s.String() != "native/ring:head=0,size=48" {
		t.Errorf("%v, %v", s, err)
	}
	if s.With("size", 64).String() != "native/ring:head=0,size=64" || s.Params["size"] != "48" {
		t.Error("With changes the spec itself, or not its copy")
	}
	for _, bad := range []string{"", ":size=48", "pipe:size", "pipe:size=1,size=2", "pipe:,"} {
		if _, err := ParseSpec(bad); err == nil {
			t.Errorf("%q is a spec", bad)
		}
	}
}

func TestElapsedIsFromTheFirstSendToTheLastReceipt(t *testing.T) {
	send, late := Result{Role: "send", Start: 300, End: 700}, Result{Role: "send", Start: 200, End: 950}
	for _, c := range []struct {
		name    string
		results []Result
		want    time.Duration
	}{
		{"receivers wait for the senders first, who clean up", []Result{{Role: "recv", Start: 10, End: 900}, {Role: "recv", Start: 20, End: 800}, send, late}, 700},
		{"nobody receives", []Result{send, late}, 750},
		{"bystanders", []Result{{Role: "server", Start: 1, End: 2}, {Role: "asleep", Start: 1, End: 2000}, send}, 400},
		{"one process sends and receives", []Result{{Role: "both", Start: 100, End: 150}}, 50},
	} {
		if got := Elapsed(c.results); got != c.want {
			t.Errorf("%s: %d ns, want %d", c.name, got, c.want)
		}
	}
}

func TestThroughputCountsWhatWasReceived(t *testing.T) {
	send := Result{Role: "send", N: 1000, Start: 1, End: 1e9 + 1, CPU: 3000}
	recv := Result{Role: "recv", N: 1000, Lost: 400, Start: 1, End: 2e9 + 1, CPU: 1500}
	for _, c := range []struct {
		name      string
		results   []Result
		rate, cpu float64
	}{
		{"nobody receives", []Result{send, send}, 2000, 3},
		{"one who loses", []Result{recv, send}, 300, 7.5},
		{"two who lose", []Result{recv, recv, send}, 600, 5},
		{"a server", []Result{{Role: "server", N: 1000, CPU: 600}, recv, send}, 300, 8.5},
	} {
		turn := Turn{Results: c.results}
		rate, err := Throughput.Of(turn)
		cpu, e := CPU.Of(turn)
		if err != nil || e != nil || rate != c.rate || cpu != c.cpu {
			t.Errorf("%s: %v messages/s, %v ns, %v, %v", c.name, rate, cpu, err, e)
		}
	}
	if _, err := Throughput.Of(Turn{Results: []Result{send, {Role: "recv", N: 5, Lost: 5}}}); err == nil {
		t.Error("who loses everything has a throughput")
	}
}

func TestWakeTimesSurviveTheWrap(t *testing.T) {
	moment := uint32(1<<32 - 10)
	turn := Turn{Results: []Result{{Role: "wake", Samples: []uint32{moment + 30}}, {Role: "tick", Samples: []uint32{moment}}}}
	took, err := WakeTimes(turn)
	if err != nil || took[0] != 30 {
		t.Error(took, err)
	}
}
