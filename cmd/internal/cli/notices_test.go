//go:build linux

package cli

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		n := &Notices{W: &out, Sum: func(n, count, first, last uint64) string {
			return fmt.Sprintf("%d of %d, %d to %d", n, count, first, last)
		}}
		take := func() string {
			synctest.Wait()
			n.mu.Lock()
			defer n.mu.Unlock()
			s := strings.ReplaceAll(out.String(), Program()+": ", "")
			out.Reset()
			return s
		}
		add := func(from, to uint64) {
			for i := from; i <= to; i++ {
				n.Add(2, i, i+1, func() string { return fmt.Sprint(i) })
			}
		}

		add(1, 25)
		require.Equal(t, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", take())
		time.Sleep(noticeWindow)
		require.Equal(t, "15 of 30, 11 to 26\n", take(), "the sum comes when the second is over")

		add(26, 26)
		require.Equal(t, "26\n", take(), "a new second begins")
		add(27, 40)
		take()
		n.Say("%d %%", 7)
		require.Equal(t, "7 %\n", take())
		n.Flush()
		require.Equal(t, "5 of 10, 36 to 41\n", take())
		n.Flush()
		time.Sleep(2 * noticeWindow)
		require.Empty(t, take(), "nothing is said twice")
	})
}
