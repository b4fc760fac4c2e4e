package host

import (
	"errors"
	"testing"

	"shmbus/test/bench/worker"
)

func TestKindOf(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		want kind
	}{
		"LOCK CMPXCHGQ":      {[]byte{0xF0, 0x48, 0x0F, 0xB1, 0x0A}, kind{locked: true}},
		"LOCK XADDL":         {[]byte{0xF0, 0x0F, 0xC1, 0x01}, kind{locked: true}},
		"LOCK ADDL DS":       {[]byte{0x3E, 0xF0, 0x83, 0x04, 0x24, 0x00}, kind{locked: true}},
		"XCHGQ with memory":  {[]byte{0x48, 0x87, 0x02}, kind{locked: true}},
		"XCHGB with memory":  {[]byte{0x86, 0x02}, kind{locked: true}},
		"XCHGQ of registers": {[]byte{0x48, 0x87, 0xD0}, kind{}},
		"MFENCE":             {[]byte{0x0F, 0xAE, 0xF0}, kind{locked: true}},
		"LFENCE":             {[]byte{0x0F, 0xAE, 0xE8}, kind{}},
		"CMPXCHGQ":           {[]byte{0x48, 0x0F, 0xB1, 0x0A}, kind{}},
		"MOVQ":               {[]byte{0x48, 0x8B, 0x02}, kind{}},
		"PAUSE":              {[]byte{0xF3, 0x90, 0xF0}, kind{}},
		"NOP":                {[]byte{0x90}, kind{}},
		"SYSCALL":            {[]byte{0x0F, 0x05}, kind{call: true}},
		"nothing":            {nil, kind{}},
	} {
		if got := kindOf(c.code); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestStepsAreMedians(t *testing.T) {
	c := traced{pairs: []Steps{{10, 0, 1}, {110, 1, 1}, {900, 30, 4}, {111, 1, 1}}}
	if got := c.median(); got != (Steps{101, 1, 0}) {
		t.Errorf("%+v", got)
	}
}

// Who is no child of this process, or not there, is not traced.
func TestTraceFails(t *testing.T) {
	attached, _ := trace(1<<27, 1, nil)
	if err := <-attached; !errors.Is(err, worker.ErrSkipped) {
		t.Error(err)
	}
}
