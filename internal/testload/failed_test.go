package testload

import (
	"fmt"
	"runtime"
	"testing"
)

// failed stands for a test that is to fail.
type failed struct {
	testing.TB
	said string
}

func (f *failed) Fatalf(format string, a ...any) {
	f.said = fmt.Sprintf(format, a...)
	runtime.Goexit()
}
