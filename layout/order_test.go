package layout

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// On arm64 loads pass each other. DecodeHeader loads the magic number, then passes a load barrier, then copies the rest: in
// any other order it could take a half-written header for a complete one.
func TestMagicBeforeTheRest(t *testing.T) {
	cmd := exec.Command("go", "build", "-gcflags=-S", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	begin := strings.Index(text, "shmbus/layout.DecodeHeader STEXT")
	if begin < 0 {
		t.Fatal("there is no code of DecodeHeader")
	}
	text = text[begin:]
	var steps []string
	for _, m := range regexp.MustCompile(`(?m)binary\.go:\d+\)\s+MOVD\s+\(R\d+\), R\d+$|CALL\s+(shmbus/ring/fence\.Loads|runtime\.memmove)\(SB\)$`).FindAllStringSubmatch(text, 3) {
		steps = append(steps, m[1])
	}
	if got := strings.Join(steps, " "); got != " shmbus/ring/fence.Loads runtime.memmove" {
		t.Errorf("the first load, the barrier and the copy are in the order %q", steps)
	}
}
