//go:build linux

package leak

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

const envSubject = "LEAK_TEST_SUBJECT"

func TestMain(m *testing.M) {
	if name := os.Getenv(envSubject); name != "" {
		grace = 400 * time.Millisecond
		Main(subject(subjects[name]))
	}
	Main(m)
}

// subject stands for a package's tests.
type subject func() int

func (s subject) Run() int { return s() }

var subjects = map[string]func() int{
	"clean": func() int {
		s, err := sysvsem.Get(sysvsem.Private, 1, 0o600)
		if err != nil {
			return 9
		}
		if err := s.Remove(); err != nil {
			return 9
		}
		return 0
	},
	"fails": func() int { return 3 },
	"segment": func() int {
		if _, err := sysvshm.Get(sysvshm.Private, 4096, 0o600); err != nil {
			return 9
		}
		return 0
	},
	"set": func() int {
		if _, err := sysvsem.Get(sysvsem.Private, 1, 0o600); err != nil {
			return 9
		}
		return 0
	},
	"set and failure": func() int {
		if _, err := sysvsem.Get(sysvsem.Private, 1, 0o600); err != nil {
			return 9
		}
		return 3
	},
	"goroutine": func() int {
		go func() { select {} }()
		return 0
	},
	"sleeping thread": func() int {
		s, err := sysvsem.Get(sysvsem.Private, 1, 0o600)
		if err != nil {
			return 9
		}
		go s.OpTimeout(time.Minute, sysvsem.P(0))
		for n, err := s.GetNCnt(0); n != 1; n, err = s.GetNCnt(0) {
			if err != nil {
				return 9
			}
		}
		return 0
	},
	// The object of a process that the tests started and that has ended since.
	"segment of a child": func() int {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), envSubject+"=segment")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			return 9
		}
		return 0
	},
	// An object that goes a little after the tests end is none of a leak.
	"late": func() int {
		s, err := sysvsem.Get(sysvsem.Private, 1, 0o600)
		if err != nil {
			return 9
		}
		time.AfterFunc(grace/4, func() { s.Remove() })
		return 0
	},
}

func TestMainVerdict(t *testing.T) {
	tests := []struct {
		subject string
		code    int
		listing []string
	}{
		{"clean", 0, nil},
		{"late", 0, nil},
		{"fails", 3, nil},
		{"segment", 1, []string{"shared memory segment", "size=4096", "ipcrm -m"}},
		{"set", 1, []string{"semaphore set", "nsems=1", "ipcrm -s"}},
		{"set and failure", 3, []string{"semaphore set"}},
		{"goroutine", 1, []string{"goroutine", "leak_test.go"}},
		{"sleeping thread", 1, []string{"semaphore set", "sleeps on a semaphore"}},
		{"segment of a child", 1, []string{"shared memory segment"}},
	}
	for _, mode := range []string{"auto", "lock"} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("mode=%s/%s", mode, tt.subject), func(t *testing.T) {
				before, err := objects()
				require.NoError(t, err)
				cmd := exec.Command("/proc/self/exe", "-test.run=^$")
				cmd.Env = append(os.Environ(), envSubject+"="+tt.subject, envMode+"="+mode, envInner+"=",
					"TMPDIR="+t.TempDir())
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				_ = cmd.Run()
				t.Log(stderr.String())
				require.Equal(t, tt.code, cmd.ProcessState.ExitCode())
				for _, want := range tt.listing {
					require.Contains(t, stderr.String(), want)
				}
				if len(tt.listing) == 0 {
					require.Empty(t, stderr.String())
				}
				cleanUp(t, before, mode)
			})
		}
	}
}

// cleanUp removes what a subject left in this namespace: with a lock all that it
// leaked, with a namespace of its own nothing.
func cleanUp(t *testing.T, before map[object]string, mode string) {
	t.Helper()
	after, err := objects()
	require.NoError(t, err)
	for o, text := range after {
		if _, old := before[o]; old {
			continue
		}
		require.Equal(t, "lock", mode, "left outside the namespace: %s", o.describe(text))
		switch o.kind {
		case "shm":
			require.NoError(t, sysvshm.FromID(o.id).Remove())
		case "sem":
			require.NoError(t, sysvsem.FromID(o.id).Remove())
		}
	}
}

func TestParseRejectsALineWithoutIdentifier(t *testing.T) {
	f := strings.NewReader("key perms cuid\n 0 600 0\n")
	require.ErrorContains(t, parse(bufio.NewScanner(f), "shm", 0, map[object]string{}), "no identifier")
}
