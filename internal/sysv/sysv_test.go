//go:build linux

package sysv

import (
	"context"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeyFormula(t *testing.T) {
	tests := []struct {
		name     string
		dev, ino uint64
		proj     byte
		want     uint32
	}{
		{"each in its place", 0x34, 0x5678, 0x12, 0x12345678},
		{"high bits are dropped", 0xffffff34, 0xffffffff00005678, 0x12, 0x12345678},
		{"project above 127", 0, 0, 255, 0xff000000},
		{"all ones", 0xff, 0xffff, 0xff, 0xffffffff},
		{"smallest", 0, 0, 1, 0x01000000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, uint32(keyOf(tt.dev, tt.ino, tt.proj)))
		})
	}
}

func TestTableThatCannotBeRead(t *testing.T) {
	tests := []struct{ name, table, text string }{
		{"too few numbers", "key semid\n 1\n", `" 1": 1 numbers under 2 headings`},
		{"too many numbers", "key semid\n 1 2 3\n", `" 1 2 3": 3 numbers under 2 headings`},
		{"no number", "key semid\n 1 x\n", `" 1 x"`},
		{"not octal", "key perms\n 1 8\n", `parsing "8"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(strings.NewReader(tt.table))
			require.ErrorContains(t, err, tt.text)
		})
	}
	_, err := (&Table[int]{File: "/nowhere/at/all"}).Read()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTable(t *testing.T) {
	rows, err := parse(strings.NewReader("  key  semid perms\n -1  32769   640\n"))
	require.NoError(t, err)
	require.Equal(t, []Row{{"key": -1, "semid": 32769, "perms": 0o640}}, rows)
}

// The system's texts speak of files and devices, so a detail takes their place.
func TestText(t *testing.T) {
	o := Object{Noun: "queue"}
	for _, tt := range []struct {
		key    Key
		id     int
		err    error
		detail string
		want   string
	}{
		{0, 7, syscall.EINVAL, "", "call: queue 7: invalid argument"},
		{0, 0, syscall.EINVAL, "too long", "call: queue 0: too long (EINVAL)"},
		{0xbadcafe, -1, syscall.ENOENT, "none", "call: key 0x0badcafe: none (ENOENT)"},
		{-1, -1, syscall.ENOENT, "none", "call: key 0xffffffff: none (ENOENT)"},
		{0, -1, syscall.ENOSPC, "full", "call: full (ENOSPC)"},
		{0, 7, context.Canceled, "", "call: queue 7: context canceled"},
	} {
		require.Equal(t, tt.want, o.Text("call", tt.key, tt.id, tt.err, tt.detail))
	}
}
