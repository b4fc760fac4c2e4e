package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"shmbus/test/bench/tables"
)

// Every table can be made, be the runs as short as they may.
func TestTables(t *testing.T) {
	busd := filepath.Join(t.TempDir(), "busd")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", busd, "./cmd/busd").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, table := range tables.All() {
		t.Run(table.Name, func(t *testing.T) {
			b := &tables.Bench{Host: testHost(t), Rounds: 1, Run: time.Millisecond, Idle: 10 * time.Millisecond, Busd: busd, Log: io.Discard}
			rows := 0
			err := table.Rows(t.Context(), b, func(r tables.Row) {
				rows++
				if r.Failed == "" && r.Noisy == "" && len(r.Figures) == 0 {
					t.Errorf("%s has no figures", r.Case)
				}
			})
			if err != nil || rows == 0 {
				t.Errorf("%d rows, %v", rows, err)
			}
		})
	}
}
