//go:build linux

package testproc

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
)

type job struct {
	Text string
	N    int
}

func TestMain(m *testing.M) {
	Main(m, Roles{
		"talk": With(func(c *Child, j job) {
			c.Say("ready", nil)
			c.Await("go")
			for i := range j.N {
				c.Say("line", job{j.Text, i})
			}
			c.Say("done", j.N)
			<-c.Context().Done()
		}),
		"until stop": func(c *Child) {
			for !c.Told("stop") {
				time.Sleep(time.Millisecond)
			}
		},
		"fault": func(c *Child) { c.Check(fmt.Errorf("a broken promise")) },
		"panic": func(*Child) { panic("a worker's panic") },
		"spoil": func(*Child) { fmt.Println("no event") },
		"fail":  func(*Child) { os.Exit(7) },
		"idle":  func(c *Child) { select {} },
	})
}

func TestWorkerTakesJobsAndOrders(t *testing.T) {
	w := Run(t, "talk", job{"a\nb", 5000}) // more than there is room for in a pipe
	w.Expect(t, "ready")
	require.NoError(t, w.Tell("go"))
	var last job
	w.Expect(t, "line", &last)
	require.Equal(t, job{"a\nb", 0}, last)
	var n int
	w.Expect(t, "done", &n)
	require.Equal(t, 5000, n)
	require.Len(t, w.Past, 4999)
	require.NoError(t, w.Past[4998].Into(&last))
	require.Equal(t, 4999, last.N)
	w.Exit(t)

	w = Run(t, "until stop", nil)
	require.NoError(t, w.Faultless())
	require.NoError(t, w.Tell("stop"))
	require.NoError(t, w.Success())
}

// What goes wrong in a worker is the error of whoever waits for it, with what the worker wrote.
func TestFailuresOfWorkers(t *testing.T) {
	for role, says := range map[string]string{
		"fault":   "a broken promise",
		"panic":   "a worker's panic",
		"spoil":   `says "no event"`,
		"fail":    "exit status 7",
		"no such": `there is no role "no such"`,
	} {
		t.Run(role, func(t *testing.T) {
			_, err := Run(t, role, nil).Await("done", testload.Patience())
			require.ErrorContains(t, err, says)
			w := Run(t, role, nil)
			testload.Eventually(t, "the worker has ended", func() bool {
				err = w.Faultless()
				return err != nil
			})
			if role != "spoil" {
				require.ErrorContains(t, err, says)
			}
			require.Error(t, Run(t, role, nil).Success())
		})
	}
	w := Run(t, "idle", nil)
	_, err := w.Await("done", 10*time.Millisecond)
	require.ErrorContains(t, err, `has not reported "done" within 10ms`)
	w = Run(t, "talk", job{})
	w.Expect(t, "ready")
	require.NoError(t, w.Tell("come"))
	_, err = w.Await("done", testload.Patience())
	require.ErrorContains(t, err, `got the order "come" instead of "go"`)
}

func TestStopContinueKill(t *testing.T) {
	w := Run(t, "idle", nil)
	require.NoError(t, w.Stop())
	require.True(t, w.Stopped())
	require.NoError(t, w.Continue())
	testload.Eventually(t, "it goes on", func() bool { return !w.Stopped() })
	require.False(t, w.Wait(time.Millisecond))
	require.True(t, w.Running())
	require.NoError(t, w.KillAndCheck())
	require.Equal(t, unix.SIGKILL, w.Signaled())
	require.True(t, w.Wait(0) || !w.Running())
	require.NoError(t, w.Faultless(), "its end was wanted")
}

// A worker whose parent is gone ends.
func TestOrphan(t *testing.T) {
	w := Run(t, "idle", nil)
	w.HangUp()
	require.ErrorContains(t, w.Success(), "exit status 4")
}

// Very much output is kept at both ends.
func TestStderrIsBounded(t *testing.T) {
	var s text
	for range 100 {
		fmt.Fprint(&s, strings.Repeat("x", keep/10))
	}
	fmt.Fprint(&s, "end")
	require.Len(t, s.String(), 2*keep)
	require.True(t, strings.HasSuffix(s.String(), "end"))
}

func TestCostOfCountsProcessorTime(t *testing.T) {
	before := CostOf(os.Getpid())
	testload.Eventually(t, "work is seen", func() bool { // looking at it is work
		return CostOf(os.Getpid()).Minus(before).Time > time.Millisecond
	})
}
