//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseConfig(t *testing.T) {
	defaults := defaultSpec()
	defaults.Topics = 99
	specs, err := parseConfig(strings.NewReader("\uFEFF"+`
# comment
; comment
mode = 0660 # for both

[prices] # the first
slots = 16K	; a comment after a tab
slot-size=512
remove-on-exit = true
[ audit ]
on-removed = recreate
`), "busd.conf", defaults)
	require.NoError(t, err)

	prices, audit := defaults, defaults
	prices.Name, prices.Mode, prices.Slots, prices.SlotSize, prices.RemoveOnExit = "prices", 0o660, 16<<10, 512, true
	audit.Name, audit.Mode, audit.OnRemoved = "audit", 0o660, removedRecreate
	require.Equal(t, []spec{prices, audit}, specs)
}

func TestParseConfigErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"open section", "[prices", "c:1: a section is written [NAME]"},
		{"bad name", "\n[a b]", "c:2: invalid bus name"},
		{"twice", "[a]\n[b]\n[a]", "c:3: bus a has a section in line 1 already"},
		{"text after a section", "[a] b", "c:1: a section is written [NAME], alone on its line"},
		{"a key twice", "[a]\nslots = 8\ntopics = 3\nslots = 16\n", "c:4: slots is set in line 2 already"},
		{"a key twice before the sections", "mode = 0600\nmode = 0660", "c:2: mode is set in line 1 already"},
		{"a size that no bus can have", "\n[a]\n[b]\nslots = 1000\n", "c:3: bus b: impossible sizes: slots 1000 is not a power of two (try 1024)"},
		{"a size that no bus can have, for all", "slots = 1000\n[b]\n", "c:2: bus b: impossible sizes"},
		{"a group without a right", "[b]\ngroup = 0\n", "c:1: bus b: mode 0600 gives group 0 no access"},
		{"no key", "[a]\nslots 4K", `c:2: "slots 4K" is neither [NAME] nor key = value`},
		{"unknown key", "[a]\nslot = 4K", `c:2: there is no key "slot"; there are clients, group, max-frame, mode`},
		{"bad value", "[a]\nslots = lots", `c:2: slots: "lots" is no size`},
		{"bad bool", "remove-on-exit = perhaps", "c:1: remove-on-exit: "},
		{"flags that are not about a bus", "quiet = true", `there is no key "quiet"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig(strings.NewReader(tt.text), "c", defaultSpec())
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestServeSpecs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "busd.conf")
	require.NoError(t, os.WriteFile(path, []byte("[a]\nslots = 8\n[b]\n"), 0o600))
	f := serveFlags{spec: defaultSpec(), config: path, buses: []string{"c", "a", "c"}}
	f.spec.Slots = 16
	specs, err := f.specs()
	require.NoError(t, err)
	got := map[string]int{}
	for _, s := range specs {
		got[s.Name] = int(s.Slots)
	}
	require.Len(t, specs, 3, "each bus once")
	require.Equal(t, map[string]int{"a": 8, "b": 16, "c": 16}, got, "the file says more of a bus than the flags, which are for all")

	require.NoError(t, os.WriteFile(path, []byte("# nothing\n"), 0o600))
	_, err = serveFlags{spec: defaultSpec(), config: path}.specs()
	require.ErrorContains(t, err, "lists no bus")
	_, err = serveFlags{spec: defaultSpec(), config: path + ".no"}.specs()
	require.ErrorIs(t, err, os.ErrNotExist)

	t.Setenv("SHMBUS_BUS", "from-env")
	specs, err = serveFlags{spec: defaultSpec()}.specs()
	require.NoError(t, err)
	require.Equal(t, "from-env", specs[0].Name)
}
