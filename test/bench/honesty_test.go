package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shmbus/test/bench/host"
	"shmbus/test/bench/tables"
)

func testHost(t *testing.T) *host.Host {
	t.Helper()
	h, err := newHost("")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// A bus that does not deliver what was sent gets no figure, and the command fails.
func TestCheatsGetNoFigure(t *testing.T) {
	for _, c := range []struct {
		fault string
		bad   bool // it is counted; otherwise the run does not end
	}{
		{"", false}, // the honest one
		{"drop", false},
		{"duplicate", true},
		{"reorder", true},
		{"stale", true},
		{"stale once", true},
		{"half", true},
		{"lines", true},
		{"short", true},
		{"torn", true},
	} {
		t.Run("fault="+c.fault, func(t *testing.T) {
			h := testHost(t)
			h.Timeout = 2 * time.Second
			spec := host.MustSpec("fake:size=256").With("fault", c.fault)
			table := tables.Table{Name: "cheat", Title: "Cheat", Rows: func(ctx context.Context, b *tables.Bench, each func(tables.Row)) error {
				return b.Ask(ctx, tables.Question{
					Case:   "one way",
					Ours:   tables.Side{Label: "fake", Spec: host.MustSpec("shmbus:size=256")},
					Others: []tables.Side{{Label: "cheat", Spec: spec}},
					Places: h.Stream(),
					Metric: host.Throughput,
				}, each)
			}}
			b := &tables.Bench{Host: h, Rounds: 2, Run: 5 * time.Millisecond, Log: io.Discard}
			var out bytes.Buffer
			err := makeTables(t.Context(), b, []tables.Table{table}, "", &out)
			if c.fault == "" {
				if err != nil || !strings.Contains(out.String(), "M/s") && !strings.Contains(out.String(), "k/s") && !strings.Contains(out.String(), "NOISY") {
					t.Fatalf("the honest one gets no figure: %v\n%s", err, &out)
				}
				return
			}
			if err == nil || !strings.Contains(out.String(), "FAILED") {
				t.Fatalf("it passes: %v\n%s", err, &out)
			}
			if strings.Contains(out.String(), "M/s") || strings.Contains(out.String(), "k/s") {
				t.Fatalf("there are figures:\n%s", &out)
			}
			var bad *host.BadError
			if errors.As(err, &bad) != c.bad {
				t.Fatalf("%v", err)
			}
		})
	}
}

// Noise is neither a figure nor a failure: the row says so, and the command goes on.
func TestNoiseEndsNothing(t *testing.T) {
	h := testHost(t)
	question := func(name string, sleeps int) tables.Question {
		spec := host.MustSpec("dozes").With("sleeps", sleeps)
		return tables.Question{
			Case:   name,
			Ours:   tables.Side{Label: "ours", Spec: spec},
			Others: []tables.Side{{Label: "other", Spec: spec}},
			Places: h.WakeUp(),
			Metric: host.WakeTime(50),
			Beside: []tables.Beside{{Label: "ours", Column: "p99", Metric: host.WakeTime(99)}},
			Times:  host.WakeTimes,
		}
	}
	table := tables.Table{Name: "doze", Title: "Doze", Rows: func(ctx context.Context, b *tables.Bench, each func(tables.Row)) error {
		return errors.Join(
			b.Ask(ctx, question("never sleeps", 0), each), b.Ask(ctx, question("sleeps less than it should", 74), each),
			b.Ask(ctx, question("sleeps", 75), each))
	}}
	b := &tables.Bench{Host: h, Rounds: 1, Run: time.Millisecond, Log: io.Discard}
	file := filepath.Join(t.TempDir(), "results.json")
	var out bytes.Buffer
	if err := makeTables(t.Context(), b, []tables.Table{table}, file, &out); err != nil {
		t.Fatalf("noise ends the command: %v\n%s", err, &out)
	}
	for _, want := range []string{"never sleeps  NOISY", "sleeps less than it should  NOISY", "it slept before 0 of", "Before the start: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var written results
	if err := json.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	for _, r := range written.Tables[0].Rows {
		if r.Case != "sleeps" && (r.Noisy == "" || len(r.Figures) > 0) || r.Failed != "" {
			t.Errorf("%+v", r)
		}
	}
	if !bytes.Contains(text, []byte(`"load": {`)) {
		t.Error("the file does not say what load there was")
	}
}

// A worker that fails ends the run with an error that says which and how, at once.
func TestFailingWorkers(t *testing.T) {
	for how, want := range map[string]string{
		"error":     "no more paper",
		"exit":      "out of ink",
		"kill":      "signal: killed",
		"hang":      "hangs",
		"nonsense":  "walked 7",
		"lost":      "1 lost",
		"backwards": "before start",
	} {
		t.Run(how, func(t *testing.T) {
			h := testHost(t)
			h.Timeout = time.Second
			s, err := h.Start(t.Context(), host.MustSpec("fails").With("how", how), h.Stream())
			if err != nil {
				t.Fatal(err)
			}
			_, err = s.Run(t.Context(), 5)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A run is ended by its context: nothing is left of workers that wait for each other.
func TestInterrupted(t *testing.T) {
	h := testHost(t)
	s, err := h.Start(t.Context(), host.MustSpec("shmbus"), []host.Place{{Role: "recv", CPU: h.CPUs[1]}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, 5); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestUnknownContenders(t *testing.T) {
	h := testHost(t)
	for _, name := range []string{"nobody", "native/nobody"} {
		if _, err := h.Start(t.Context(), host.MustSpec(name), h.Stream()); err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a server does in a run is seen, whatever it says itself; who sends and receives in one
// process has a throughput.
func TestServersAndInProcess(t *testing.T) {
	const messages = 200_000 // a channel takes 20,000 of them in less than a millisecond
	h := testHost(t)
	for spec, places := range map[string][]host.Place{"nats": h.Stream(), "channel": h.InProcess()} {
		s, err := h.Start(t.Context(), host.MustSpec(spec), places)
		if err != nil {
			t.Fatal(err)
		}
		results, err := s.Run(t.Context(), messages)
		if err != nil {
			t.Fatal(err)
		}
		if rate, err := host.Throughput.Of(host.Turn{Results: results}); err != nil || rate < 1000 {
			t.Errorf("%s: %v messages/s, %v", spec, rate, err)
		}
		if results[0].CPU < time.Millisecond {
			t.Errorf("%s: %s says %v for %d messages", spec, results[0].Role, results[0].CPU, messages)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
