//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A verdict collects broken promises.
type verdict struct {
	dir  string
	mu   sync.Mutex
	list []string
}

// enough is how many violations are worth being told.
const enough = 8

func (v *verdict) violated(format string, a ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := fmt.Sprintf(format, a...)
	v.list = append(v.list, s)
	if len(v.list) > enough {
		return
	}
	fmt.Fprintf(os.Stderr, "chaos: VIOLATION: %s\n", s)
	if f, err := os.OpenFile(filepath.Join(v.dir, "violations.txt"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		fmt.Fprintf(f, "%s %s\n", time.Now().Format("15:04:05.000000"), s)
		f.Close()
	}
}

func (v *verdict) failed() bool { return v.count() > 0 }

func (v *verdict) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.list)
}
