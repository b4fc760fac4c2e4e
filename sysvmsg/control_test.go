//go:build linux

package sysvmsg_test

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shmbus/sysvmsg"
)

func TestStat(t *testing.T) {
	key := newKey()
	// The kernel's coarse clock may be a tick late.
	begin := time.Now().Truncate(time.Second).Add(-time.Second)
	q, err := sysvmsg.Get(key, sysvmsg.Create|sysvmsg.Exclusive|0o642)
	require.NoError(t, err)
	removeAtEnd(t, q)
	l, err := sysvmsg.Limits()
	require.NoError(t, err)
	want := sysvmsg.Stat{
		ID: q.ID(), Key: key, Mode: 0o642,
		UID: os.Getuid(), GID: os.Getgid(), CUID: os.Getuid(), CGID: os.Getgid(),
		MaxBytes: l.QueueBytes,
	}
	steps := []struct {
		name string
		do   func() error
		set  func(want, got *sysvmsg.Stat)
	}{
		{"created", func() error { return nil }, func(want, got *sysvmsg.Stat) {
			require.WithinRange(t, got.ChangeTime, begin, time.Now())
			want.ChangeTime, want.Seq = got.ChangeTime, got.Seq
		}},
		{"sent", func() error { return q.TrySend(message(1, "abc")) }, func(want, got *sysvmsg.Stat) {
			require.WithinRange(t, got.SendTime, begin, time.Now())
			want.SendTime, want.SendPID = got.SendTime, os.Getpid()
			want.Messages, want.Bytes = 1, 3
		}},
		{"copied", func() error { _, err := q.Copy(make([]byte, 3), 0); return err },
			func(want, got *sysvmsg.Stat) {}},
		{"received", func() error { _, err := q.TryReceive(make([]byte, 3), 0, 0); return err },
			func(want, got *sysvmsg.Stat) {
				require.WithinRange(t, got.ReceiveTime, begin, time.Now())
				want.ReceiveTime, want.ReceivePID = got.ReceiveTime, os.Getpid()
				want.Messages, want.Bytes = 0, 0
			}},
		{"changed", func() error { return q.SetMaxBytes(5) }, func(want, got *sysvmsg.Stat) {
			require.WithinRange(t, got.ChangeTime, begin, time.Now())
			want.ChangeTime, want.MaxBytes = got.ChangeTime, 5
		}},
	}
	for _, step := range steps {
		require.NoError(t, step.do(), step.name)
		got := stat(t, q)
		step.set(&want, &got)
		require.Equal(t, want, got, step.name)
	}
}

// A setting changes only what it names.
func TestSettings(t *testing.T) {
	q := newQueue(t)
	want := stat(t, q)
	for _, tt := range []struct {
		name string
		do   func() error
		set  func()
	}{
		{"bytes", func() error { return q.SetMaxBytes(77) }, func() { want.MaxBytes = 77 }},
		{"mode", func() error { return q.SetPerm(-1, -1, 0o644) }, func() { want.Mode = 0o644 }},
		{"same owner", func() error { return q.SetPerm(os.Getuid(), os.Getgid(), 0o604) },
			func() { want.Mode = 0o604 }},
		{"type bits do not count", func() error { return q.SetPerm(-1, -1, fs.ModeDir|0o600) },
			func() { want.Mode = 0o600 }},
		{"no bytes", func() error { return q.SetMaxBytes(0) }, func() { want.MaxBytes = 0 }},
	} {
		require.NoError(t, tt.do(), tt.name)
		tt.set()
		got := stat(t, q)
		want.ChangeTime = got.ChangeTime
		require.Equal(t, want, got, tt.name)
	}
	require.NoError(t, expectText(q.SetMaxBytes(-1), "negative number -1", syscall.EINVAL))
	for _, n := range []int{1 << 31, 1 << 32, 1<<32 + 100, math.MaxInt} {
		require.NoError(t, expectText(q.SetMaxBytes(n), "takes 2147483647 at most", syscall.EINVAL))
	}
	require.Zero(t, stat(t, q).MaxBytes)
}

func TestEveryCallSaysThatTheQueueIsGone(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.Remove())
	reused := newQueue(t) // takes the slot of the kernel's table, with another identifier
	require.NotEqual(t, q.ID(), reused.ID())

	const gone, none = "get it again by its key", "this handle names no queue"
	for queue, text := range map[*sysvmsg.Queue]string{
		q: gone, sysvmsg.FromID(1<<31 - 1): gone, // no queue has this identifier
		{}: none, sysvmsg.FromID(-1): none, sysvmsg.FromID(1<<32 + reused.ID()): none,
	} {
		buf := make([]byte, 10)
		discard := func(_ any, err error) error { return err }
		for name, err := range map[string]error{
			"Send":        queue.Send(t.Context(), message(1, "a")),
			"TrySend":     queue.TrySend(message(1, "a")),
			"Receive":     discard(queue.Receive(t.Context(), buf, 0, 0)),
			"TryReceive":  discard(queue.TryReceive(buf, 0, 0)),
			"Copy":        discard(queue.Copy(buf, 0)),
			"Stat":        discard(queue.Stat()),
			"SetPerm":     queue.SetPerm(-1, -1, 0o600),
			"SetMaxBytes": queue.SetMaxBytes(10),
			"Remove":      queue.Remove(),
		} {
			require.ErrorIs(t, err, sysvmsg.ErrRemoved, "%s of %v", name, queue)
			require.Contains(t, err.Error(), text)
		}
	}
}

func TestPermission(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.TrySend(message(1, "a")))
	require.NoError(t, q.SetPerm(-1, -1, 0))
	if os.Getuid() != 0 {
		// The permission bits bind the owner, too.
		require.NoError(t, refused(q))
		return
	}
	run(t, "be refused", q, nobody())
	require.Equal(t, 1, stat(t, q).Messages)
}

func helpBeRefused(q *sysvmsg.Queue) error {
	for name, err := range map[string]error{
		"Remove":      q.Remove(),
		"SetPerm":     q.SetPerm(65534, 65534, 0o666),
		"SetMaxBytes": q.SetMaxBytes(10),
	} {
		if err := expectText(err, "only the queue's owner", syscall.EPERM, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	list, err := sysvmsg.List()
	if err != nil {
		return err
	}
	for _, st := range list {
		if st.ID == q.ID() {
			return refused(q)
		}
	}
	return fmt.Errorf("not in the list: %v", list)
}

func refused(q *sysvmsg.Queue) error {
	buf := make([]byte, 10)
	_, errStat := q.Stat()
	_, errReceive := q.TryReceive(buf, 0, 0)
	_, errCopy := q.Copy(buf, 0)
	for name, err := range map[string]error{
		"Stat": errStat, "TryReceive": errReceive, "Copy": errCopy, "TrySend": q.TrySend(message(1, "a")),
	} {
		if err := expectText(err, "Queue.SetPerm", syscall.EACCES, os.ErrPermission); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// An owner whom the bits forbid to read may change them all the same, and keeps the rest.
func TestOwnerWhoMayNotRead(t *testing.T) {
	newQueue(t) // so that index and identifier differ
	q := newQueue(t)
	if os.Getuid() != 0 {
		require.NoError(t, helpOwner(q))
		return
	}
	require.NoError(t, q.SetPerm(65534, 65534, 0o600))
	run(t, "permission of owner", q, nobody())
}

func helpOwner(q *sysvmsg.Queue) error {
	before, err := q.Stat()
	if err != nil {
		return err
	}
	if err := q.SetPerm(-1, -1, 0); err != nil {
		return err
	}
	if _, err := q.Stat(); expect(err, syscall.EACCES) != nil {
		return fmt.Errorf("it may be read: %w", err)
	}
	if err := q.SetMaxBytes(88); err != nil {
		return err
	}
	if err := q.SetPerm(-1, -1, 0o600); err != nil {
		return err
	}
	l, err := sysvmsg.Limits()
	if err != nil {
		return err
	}
	err = expectText(q.SetMaxBytes(l.QueueBytes+1), fmt.Sprintf("%d bytes, MSGMNB allows %d without "+
		"CAP_SYS_RESOURCE: raise it: sysctl -w kernel.msgmnb=%[1]d", l.QueueBytes+1, l.QueueBytes),
		syscall.EPERM, os.ErrPermission)
	if err != nil {
		return err
	}
	after, err := q.Stat()
	before.MaxBytes, before.ChangeTime = 88, after.ChangeTime
	if err == nil && after != before {
		err = fmt.Errorf("%+v has become %+v", before, after)
	}
	return err
}

var ipcsFields = regexp.MustCompile(`(\w+)=(\S+)`)

func TestAgreesWithIpcs(t *testing.T) {
	q, err := sysvmsg.Get(newKey(), sysvmsg.Create|0o640)
	require.NoError(t, err)
	removeAtEnd(t, q)
	for range 3 {
		require.NoError(t, q.TrySend(message(1, "abc")))
	}
	_, err = q.TryReceive(make([]byte, 3), 0, 0)
	require.NoError(t, err)

	ipcs := func(args ...string) string {
		out, err := exec.Command("ipcs", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	out := ipcs("-q", "-i", strconv.Itoa(q.ID()))
	fields := map[string]string{}
	for _, m := range ipcsFields.FindAllStringSubmatch(out, -1) {
		fields[m[1]] = m[2]
	}
	st := stat(t, q)
	for name, want := range map[string]int{
		"msqid": st.ID, "uid": st.UID, "gid": st.GID, "cuid": st.CUID, "cgid": st.CGID,
		"cbytes": st.Bytes, "qbytes": st.MaxBytes, "qnum": st.Messages,
		"lspid": st.SendPID, "lrpid": st.ReceivePID,
	} {
		require.Equal(t, strconv.Itoa(want), fields[name], "%s in\n%s", name, out)
	}
	require.Equal(t, "640", strings.TrimLeft(fields["mode"], "0"))
	const layout = "Mon Jan _2 15:04:05"
	require.Contains(t, out, "send_time="+st.SendTime.Format(layout))
	require.Contains(t, out, "rcv_time="+st.ReceiveTime.Format(layout))
	require.Contains(t, out, "change_time="+st.ChangeTime.Format(layout))
	require.Regexp(t, fmt.Sprintf(`(?m)^0x%08x +%d +\S+ +640 +6 +2 *$`, uint32(st.Key), st.ID),
		ipcs("-q"))

	l, err := sysvmsg.Limits()
	require.NoError(t, err)
	limits := ipcs("-q", "-l")
	for text, want := range map[string]int{
		"max queues system wide":            l.Queues,
		"max size of message (bytes)":       l.MessageBytes,
		"default max size of queue (bytes)": l.QueueBytes,
	} {
		require.Contains(t, limits, fmt.Sprintf("%s = %d", text, want))
	}
	u, err := sysvmsg.Usage()
	require.NoError(t, err)
	require.Regexp(t, fmt.Sprintf(`allocated queues = %d\nused headers = %d\nused space = %d bytes`,
		u.Queues, u.Messages, u.Bytes), ipcs("-q", "-u"))
}

// A number that does not fit the kernel's record is an error, not another owner.
func TestOwnersThatDoNotExist(t *testing.T) {
	q := newQueue(t)
	before, err := q.Stat()
	require.NoError(t, err)
	for _, id := range []int{-2, math.MinInt, 1<<32 - 1, 1 << 32, 1<<32 + 5, math.MaxInt} {
		require.ErrorContains(t, q.SetPerm(id, -1, 0o600), fmt.Sprintf("there is no user %d", id))
		require.ErrorContains(t, q.SetPerm(-1, id, 0o600), fmt.Sprintf("there is no group %d", id))
	}
	after, err := q.Stat()
	require.NoError(t, err)
	require.Equal(t, before, after)
}
