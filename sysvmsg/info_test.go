//go:build linux

package sysvmsg_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvmsg"
)

func TestLimitsAreTheSysctls(t *testing.T) {
	l, err := sysvmsg.Limits()
	require.NoError(t, err)
	for name, got := range map[string]int{
		"msgmax": l.MessageBytes, "msgmnb": l.QueueBytes, "msgmni": l.Queues,
	} {
		want, err := os.ReadFile("/proc/sys/kernel/" + name)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(string(want)), fmt.Sprint(got), name)
	}
}

func TestUsageCounts(t *testing.T) {
	before, err := sysvmsg.Usage()
	require.NoError(t, err)
	a, b := newQueue(t), newQueue(t)
	for _, q := range []*sysvmsg.Queue{a, a, b} {
		require.NoError(t, q.TrySend(message(1, "abc")))
	}
	after, err := sysvmsg.Usage()
	require.NoError(t, err)
	require.Equal(t, before.Queues+2, after.Queues)
	require.Equal(t, before.Messages+3, after.Messages)
	require.Equal(t, before.Bytes+9, after.Bytes)
}

func TestListHasEveryQueue(t *testing.T) {
	a, b := newQueue(t), newQueue(t)
	gone := newQueue(t)
	c := newQueue(t)
	require.NoError(t, gone.Remove()) // a hole in the table
	list, err := sysvmsg.List()
	require.NoError(t, err)
	found := map[int]sysvmsg.Stat{}
	for _, st := range list {
		found[st.ID] = st
	}
	for _, q := range []*sysvmsg.Queue{a, b, c} {
		require.Equal(t, stat(t, q), found[q.ID()])
	}
	require.NotContains(t, found, gone.ID())
}

// In a namespace of its own a process can reach the limits without disturbing anybody.
func TestLimitsReached(t *testing.T) {
	run(t, "reach the limits", sysvmsg.FromID(0), newNamespace())
}

func helpReachLimits(*sysvmsg.Queue) error {
	lowered := setSysctl("msgmni", 3) == nil
	l, err := sysvmsg.Limits()
	if err != nil {
		return err
	}
	var q *sysvmsg.Queue
	for range l.Queues {
		if q, err = sysvmsg.Get(sysvmsg.Private, 0o600); err != nil {
			return err
		}
	}
	_, err = sysvmsg.Get(sysvmsg.Private, 0o600)
	if err := expectText(err, fmt.Sprintf("%d queues exist, MSGMNI allows %d: remove unused queues "+
		"(ipcs -q, ipcrm -q ID) or raise it: sysctl -w kernel.msgmni=%d", l.Queues, l.Queues, 2*l.Queues),
		sysvmsg.ErrNoSpace, syscall.ENOSPC); err != nil {
		return err
	}
	if !lowered {
		return nil // the other limits are out of reach
	}
	return longMessage(q)
}

// longMessage sends a message that is longer than the usual MSGMAX, and lowers the limit before it
// is received.
func longMessage(q *sysvmsg.Queue) error {
	const long = 50000
	for name, value := range map[string]int{"msgmax": long, "msgmnb": 2 * long} {
		if err := setSysctl(name, value); err != nil {
			return err
		}
	}
	if err := q.SetMaxBytes(2 * long); err != nil {
		return err
	}
	data := []byte(strings.Repeat("0123456789", long/10))
	for range 2 {
		if err := q.TrySend(sysvmsg.Message{Type: 9, Data: data}); err != nil {
			return err
		}
	}
	buf := make([]byte, 2*long)
	m, err := q.Copy(buf, 1)
	if err != nil || string(m.Data) != string(data) {
		return fmt.Errorf("copied %d bytes: %w", len(m.Data), err)
	}
	if err := setSysctl("msgmax", 8192); err != nil {
		return err
	}
	_, err = q.Copy(buf, 1)
	if err := expectText(err, "MSGMAX, which was lowered", syscall.EINVAL); err != nil {
		return err
	}
	m, err = q.TryReceive(buf[:long-1], 0, sysvmsg.NoError)
	if err != nil || m.Type != 9 || string(m.Data) != string(data[:long-1]) {
		return fmt.Errorf("received %d bytes of the first: %w", len(m.Data), err)
	}
	_, err = q.TryReceive(buf[:long-1], 0, 0)
	err = expectText(err, fmt.Sprintf("buffer of %d bytes", long-1), sysvmsg.ErrShortBuffer)
	if err != nil {
		return err
	}
	m, err = q.TryReceive(buf, 0, 0)
	if err != nil || m.Type != 9 || string(m.Data) != string(data) {
		return fmt.Errorf("received %d bytes: %w", len(m.Data), err)
	}
	return nil
}

func setSysctl(name string, value int) error {
	return os.WriteFile("/proc/sys/kernel/"+name, []byte(strconv.Itoa(value)), 0)
}
