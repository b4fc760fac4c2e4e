package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"example.org/examples/internal/program"

	"shmbus/bus/bustest"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// The whole pipeline: buspub, this program, bussub.
func TestPipeline(t *testing.T) {
	bin := commands(t)
	b := bustest.New(t)
	watch, err := b.Subscribe("logs.>")
	if err != nil {
		t.Fatal(err)
	}
	bussub := program.Run(t, exec.Command(bin+"/bussub", "-b", b.Name(), "--reliable", "--count", "2", "alerts"))
	logs := program.Start(t, "-bus", b.Name())
	for topic, n := range map[string]int{"logs.web": 2, "alerts": 1} {
		if err := b.WaitForSubscribers(t.Context(), topic, n); err != nil {
			t.Fatal(err)
		}
	}

	publish := func(topic, lines string) {
		t.Helper()
		cmd := exec.Command(bin+"/buspub", "-b", b.Name(), topic)
		cmd.Stdin = strings.NewReader(lines)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("buspub: %v: %s", err, out)
		}
	}
	publish("logs.web", `{"status":200,"path":"/"}`+"\n"+`{"status":503,"path":"/buy"}`+"\n")
	publish("logs.db", `"not a record"`+"\n"+`{"level":"info"}`+"\n"+`{"level":"ERROR","text":"disk full"}`+"\n")

	for _, want := range []string{
		`{"source":"web","reason":"status 503","record":{"status":503,"path":"/buy"}}`,
		`{"source":"db","reason":"error","record":{"level":"ERROR","text":"disk full"}}`,
	} {
		var got, wanted any
		line := bussub.Line()
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if json.Unmarshal([]byte(want), &wanted); !reflect.DeepEqual(got, wanted) {
			t.Errorf("got  %s\nwant %s", line, want)
		}
	}
	bussub.End()
	if n := len(bustest.Drain(t, watch)); n != 5 {
		t.Errorf("%d records came onto the bus, not 5", n)
	}
	_ = logs.Process.Signal(os.Interrupt)
	if line := logs.Line(); line != "map[db:3 web:2]" {
		t.Errorf("it counted %s", line)
	}
	logs.End()
}

// commands builds the bus's commands and returns their folder.
func commands(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", "shmbus/bus").Output()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./cmd/buspub", "./cmd/bussub")
	build.Dir = strings.TrimSpace(string(dir))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return bin
}
