//go:build !race

package ring

import (
	"regexp"
	"strings"
	"testing"

	"shmbus/test/machine"
)

// TestBarriersOnARM64: the machine code for arm64 has the barriers that the protocol needs, and its
// acquires are ordered after releases (LDAR is, LDAPR is not). model/litmus says why; amd64 needs
// no barrier.
func TestBarriersOnARM64(t *testing.T) {
	const loads, full = "CALL shmbus/internal/fence.Loads", "CALL shmbus/internal/fence.Full"
	p := machine.Build(t, "arm64", "shmbus/ring")
	for _, tt := range []struct {
		function string
		want     string // the instructions that must follow one another in the code
	}{
		// The reader's loads of the slot come before its last load of the entry.
		{"shmbus/ring.(*Cursor).Valid", "LDAR;" + loads + ";LDAR;"},
		{"shmbus/ring.Frame.Valid", "LDAR;" + loads + ";LDAR;"},
		// No later store, such as that of the pair, becomes visible before the exchange.
		{"shmbus/ring.(*Publisher).Settle", full + ";(?:STORE;)+"},
		// The exchange itself, in both forms, after Resume. The disassembler has no name for CASAL.
		{"shmbus/ring.(*Publisher).Exchange", "LDAR;CALL shmbus/ring.\\(\\*Ring\\).headFrom;STORE;LDAR;(?:STORE;)+CASAL;LDAXR;STLXR;(?:CALL shmbus/(?:ring|internal/fence)\\S+;)+"},
		// The loads of a message come before the release of its position.
		{"shmbus/ring.(*Cursor).Take", "LDAR;LDAR;(?:CALL shmbus/ring\\S+copyPieces;|STORE;|CALL shmbus/ring.Frame\\S+;)+STORE;STLR;"},
		// No load of a joiner's last search passes the updates before it, as LDAPR would.
		{"shmbus/ring.(*Ring).headFrom", "(?:CALL shmbus/ring.\\(\\*Ring\\).lowerBound;)?(?:LDAR;)+"},
		{"shmbus/internal/fence.Loads", "DMB 9;"},
		{"shmbus/internal/fence.Full", "DMB 11;"},
		// Processors for servers do not wait at a YIELD.
		{"shmbus/internal/fence.Pause", "ISB;"},
	} {
		t.Run(tt.function, func(t *testing.T) {
			got := orderings(p.Code(t, tt.function))
			if !regexp.MustCompile("^(?:STORE;)*" + tt.want + "$").MatchString(got) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

var (
	store = regexp.MustCompile(`^MOV\w+ .*, \d*\((R\d+)\)$`)
	exact = regexp.MustCompile(`^(LDAR|LDAPR|STLR|LDAXR|STLXR|YIELD|DMB|ISB)\w*\b(.*)`)
)

// orderings returns the instructions of a function that order memory, with the stores and the
// calls.
func orderings(code []string) string {
	var b strings.Builder
	for i, c := range code {
		m := exact.FindStringSubmatch(c)
		switch {
		case strings.HasPrefix(c, "CALL runtime."):
		case strings.HasPrefix(c, "CALL "):
			b.WriteString(c + ";")
		case m != nil && m[1] == "DMB":
			b.WriteString("DMB " + strings.TrimPrefix(strings.TrimSpace(m[2]), "$") + ";")
		case m != nil:
			b.WriteString(m[1] + ";")
		case c == "?" && strings.HasPrefix(code[max(i-1, 0)], "MOVD "): // others fill the space after a function
			b.WriteString("CASAL;")
		case store.MatchString(c):
			b.WriteString("STORE;")
		}
	}
	return b.String()
}
