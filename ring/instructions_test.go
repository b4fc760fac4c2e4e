//go:build amd64 && !race

package ring

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInstructions: the machine code of the hot path has the expected locked instructions and no
// others. An atomic store is an XCHG on amd64; one more of them doubles the time of an exchange.
func TestInstructions(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "ring.a")
	if out, err := exec.Command("go", "build", "-o", archive, ".").CombinedOutput(); err != nil {
		t.Skipf("no compiler here: %v\n%s", err, out)
	}
	locked := regexp.MustCompile(`\t(LOCK|XCHG\w*|[LMS]FENCE|XADD\w*)\b`)
	for _, tt := range []struct {
		function string
		want     []string
		inlined  []string // must not be called
	}{
		{"(*Publisher).Exchange", []string{"LOCK CMPXCHGQ"}, []string{"fence.Store", "fence.Full", "layout.", "(*Publisher).Load", "(*Publisher).Announce", "(*Publisher).Settle"}},
		{"(*Publisher).PublishRun", []string{"LOCK CMPXCHGQ"}, []string{"Slot.PutFront", "Slot.PutBack", "layout.", "(*Publisher).Load", "(*Publisher).Announce", "(*Publisher).Settle"}},
		{"(*Publisher).Fill", nil, []string{"(*Publisher).slot"}},
		{"(*Publisher).FillWord", nil, []string{"fence.", "(*Publisher).slot"}},
		{"(*Cursor).Peek", nil, []string{"layout.", "(*memory).entry"}},
		{"(*Cursor).Read", nil, []string{"layout.", "fence."}},
		{"(*Cursor).Take", nil, []string{"Frame.CopyWords", "layout.", "fence."}},
		{"(*Cursor).View", nil, []string{"bytesAt", "layout."}},
		{"(*Cursor).Valid", nil, []string{"fence.", "layout."}},
		{"(*Cursor).Advance", nil, []string{"fence."}},
		{"(*Cursor).SetNext", nil, []string{"fence."}},
		{"(*Cursor).Skip", nil, nil},
		{"(*Ring).headFrom", nil, []string{"(*Ring).filled", "layout."}},
		{"(*Ring).slowest", nil, nil},
	} {
		t.Run(tt.function, func(t *testing.T) {
			symbol := "^shmbus/ring." + regexp.QuoteMeta(tt.function) + "$"
			out, err := exec.Command("go", "tool", "objdump", "-s", symbol, archive).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			text := string(out)
			if !strings.Contains(text, "\tRET") {
				t.Fatalf("no machine code of %s:\n%s", tt.function, text)
			}
			var got []string
			for line := range strings.Lines(text) {
				if loc := locked.FindStringIndex(line); loc != nil {
					f := strings.Fields(line[loc[0]:])
					got = append(got, strings.Join(f[:min(2, len(f))], " "))
				}
				for _, callee := range tt.inlined {
					if strings.Contains(line, "CALL") && strings.Contains(line, callee) {
						t.Errorf("%s is not inlined: %s", callee, strings.TrimSpace(line))
					}
				}
			}
			if strings.Join(got, ", ") != strings.Join(tt.want, ", ") {
				t.Errorf("locked instructions %q, want %q", got, tt.want)
			}
		})
	}
}

// TestInlined: all functions that are called for each message are inlined into their callers.
func TestInlined(t *testing.T) {
	out, err := exec.Command("go", "build", "-o", filepath.Join(t.TempDir(), "ring.a"), "-gcflags=shmbus/ring=-m", ".").CombinedOutput()
	if err != nil {
		t.Skipf("no compiler here: %v\n%s", err, out)
	}
	for _, f := range []string{
		"(*Publisher).NextSlot", "Slot.PutFront", "Slot.PutBack", "Slot.PutHeader", "(*Publisher).Load", "(*Publisher).Usable", "(*Publisher).Announce", "(*Publisher).CompareAndSwap", "(*Publisher).Settle",
		"(*Cursor).Load", "(*Cursor).Tagged", "(*Cursor).Locate", "Frame.CopyWords", "Frame.Valid", "(*Publisher).FillWord", "(*Publisher).Next", "(*Cursor).Peek", "(*Cursor).Advance", "(*Cursor).Skip", "(*Cursor).Next"} {
		if !strings.Contains(string(out), "can inline "+f+"\n") {
			t.Errorf("%s cannot be inlined any more", f)
		}
	}
}
