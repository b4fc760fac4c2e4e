//go:build linux

package sysvmsg_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/sysvmsg"
	"shmbus/test/intercept"
)

// Which message is chosen, by both ways to receive.
func TestChoice(t *testing.T) {
	queue := []sysvmsg.Message{message(3, "a"), message(1, "b"), message(2, "c"), message(1, "d"),
		message(math.MaxInt64, "e")}
	tests := []struct {
		name  string
		typ   int64
		flags sysvmsg.ReceiveFlag
		want  string // data of the messages that are there to be received, in order
	}{
		{"of any type", 0, 0, "abcde"},
		{"of one type", 1, 0, "bd"},
		{"of the highest type", math.MaxInt64, 0, "e"},
		{"of a type that there is not", 4, 0, ""},
		{"except one type", 1, sysvmsg.Except, "ace"},
		{"except a type that there is not", 4, sysvmsg.Except, "abcde"},
		{"lowest type, at most 1", -1, 0, "bd"},
		{"lowest type, at most 2", -2, 0, "bdc"},
		{"lowest type, at most 3", -3, 0, "bdca"},
		{"lowest type", math.MinInt64, 0, "bdcae"},
	}
	for _, way := range []string{"TryReceive", "Receive"} {
		for _, tt := range tests {
			t.Run("way="+way+"/"+tt.name, func(t *testing.T) {
				q := newQueue(t)
				for _, m := range queue {
					require.NoError(t, q.TrySend(m))
				}
				receive := func() (sysvmsg.Message, error) {
					return q.TryReceive(make([]byte, 10), tt.typ, tt.flags)
				}
				if way == "Receive" {
					receive = func() (sysvmsg.Message, error) {
						return q.Receive(t.Context(), make([]byte, 10), tt.typ, tt.flags)
					}
				}
				got := ""
				for range tt.want {
					m, err := receive()
					require.NoError(t, err)
					got += string(m.Data)
					require.Contains(t, queue, m)
				}
				require.Equal(t, tt.want, got)
				_, err := q.TryReceive(make([]byte, 10), tt.typ, tt.flags)
				require.Equal(t, sysvmsg.ErrNoMessage, err)
				require.ErrorIs(t, err, syscall.ENOMSG)
				require.Equal(t, len(queue)-len(tt.want), stat(t, q).Messages)
			})
		}
	}
}

func TestSizes(t *testing.T) {
	l, err := sysvmsg.Limits()
	require.NoError(t, err)
	for _, size := range []int{0, 1, 7, 8, 9, 8191, l.MessageBytes} {
		for _, room := range []int{size, size + 1, 2 * l.MessageBytes} {
			t.Run(fmt.Sprintf("size=%d/buffer=%d", size, room), func(t *testing.T) {
				q := newQueue(t)
				data := bytes.Repeat([]byte("ab"), size)[:size]
				require.NoError(t, q.TrySend(sysvmsg.Message{Type: 5, Data: data}))
				require.Equal(t, size, stat(t, q).Bytes)
				buf := bytes.Repeat([]byte{'x'}, room)
				m, err := q.TryReceive(buf, 0, 0)
				require.NoError(t, err)
				require.Equal(t, sysvmsg.Message{Type: 5, Data: buf[:size]}, m)
				require.Equal(t, string(data), string(m.Data))
				require.Equal(t, strings.Repeat("x", room-size), string(buf[size:]), "behind it")
			})
		}
	}
}

// An invalid message or argument is an error at once, before any wait.
func TestArguments(t *testing.T) {
	l, err := sysvmsg.Limits()
	require.NoError(t, err)
	q := newQueue(t)
	require.NoError(t, q.SetMaxBytes(100))
	send := func(typ int64, size int) error {
		m := sysvmsg.Message{Type: typ, Data: make([]byte, size)}
		err := q.Send(t.Context(), m)
		if size <= 100 || size > l.MessageBytes {
			require.Equal(t, fmt.Sprint(err), fmt.Sprint(q.TrySend(m)))
		}
		return err
	}
	receive := func(typ int64, flags sysvmsg.ReceiveFlag) error {
		_, err := q.Receive(t.Context(), nil, typ, flags)
		_, errTry := q.TryReceive(nil, typ, flags)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(errTry))
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		is   []error
		text string
	}{
		{"type 0", send(0, 1), []error{sysvmsg.ErrType, syscall.EINVAL}, "type 0: it must be above 0"},
		{"negative type", send(-1, 1), []error{sysvmsg.ErrType}, "type -1"},
		{
			"above MSGMAX", send(1, l.MessageBytes+1), []error{sysvmsg.ErrTooLarge, syscall.EINVAL},
			fmt.Sprintf("%d bytes, MSGMAX allows %d: split the message, or raise it: "+
				"sysctl -w kernel.msgmax=%[1]d", l.MessageBytes+1, l.MessageBytes),
		},
		{
			"above the queue's bytes", send(1, 101), []error{sysvmsg.ErrTooLarge},
			"101 bytes, the queue may hold 100: split the message, or raise it with Queue.SetMaxBytes",
		},
		{"except any", receive(0, sysvmsg.Except), []error{sysvmsg.ErrType, syscall.EINVAL},
			"type 0: Except"},
		{"except at most", receive(-2, sysvmsg.Except), []error{sysvmsg.ErrType}, "type -2: Except"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, is := range tt.is {
				require.ErrorIs(t, tt.err, is)
			}
			require.Contains(t, tt.err.Error(), tt.text)
			var e *sysvmsg.Error
			require.ErrorAs(t, tt.err, &e)
			require.Equal(t, q.ID(), e.ID)
		})
	}
	require.Zero(t, stat(t, q).Messages)
}

// A message that is longer than the buffer stays where it is, until a buffer is long enough.
func TestLongMessageStays(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.TrySend(message(1, "0123456789")))
	require.NoError(t, q.TrySend(message(2, "short")))
	buf := make([]byte, 9)
	for name, receive := range map[string]func() (sysvmsg.Message, error){
		"TryReceive": func() (sysvmsg.Message, error) { return q.TryReceive(buf, 0, 0) },
		"Receive":    func() (sysvmsg.Message, error) { return q.Receive(t.Context(), buf, 0, 0) },
		"Copy":       func() (sysvmsg.Message, error) { return q.Copy(buf, 0) },
	} {
		m, err := receive()
		require.ErrorIs(t, err, sysvmsg.ErrShortBuffer, name)
		require.ErrorIs(t, err, io.ErrShortBuffer)
		require.ErrorIs(t, err, syscall.E2BIG)
		require.Contains(t, err.Error(), "longer than the buffer of 9 bytes and stays in the queue")
		require.Contains(t, err.Error(), "cut it with NoError")
		require.Zero(t, m)
	}
	require.Equal(t, 2, stat(t, q).Messages)
	m, err := q.TryReceive(make([]byte, 10), 0, 0)
	require.NoError(t, err)
	require.Equal(t, message(1, "0123456789"), m)
}

func TestNoErrorCuts(t *testing.T) {
	q := newQueue(t)
	for _, room := range []int{0, 4, 10, 11, 100000} {
		require.NoError(t, q.TrySend(message(1, "0123456789")))
		m, err := q.TryReceive(make([]byte, room), 0, sysvmsg.NoError)
		require.NoError(t, err)
		require.Equal(t, "0123456789"[:min(room, 10)], string(m.Data))
		require.Zero(t, stat(t, q).Messages)
	}
}

func TestFull(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.SetMaxBytes(50))
	require.Equal(t, 5, fill(t, q, 10))
	require.ErrorIs(t, q.TrySend(message(1, "x")), syscall.EAGAIN)
	require.NoError(t, q.TrySend(message(1, "")), "there are no bytes to find room for")
	_, err := q.TryReceive(make([]byte, 10), 0, 0)
	require.NoError(t, err)
	require.NoError(t, q.TrySend(message(1, "0123456789")))

	// Messages without bytes count, too.
	empty := newQueue(t)
	require.NoError(t, empty.SetMaxBytes(7))
	require.Equal(t, 7, fill(t, empty, 0))
}

// Other flags of the system call would make Receive return at once, or leave the message there.
func TestReceiveFlags(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.TrySend(message(1, "a")))
	for _, flags := range []sysvmsg.ReceiveFlag{unix.IPC_NOWAIT, 0o40000 /* MSG_COPY */, 1, -1,
		sysvmsg.NoError | unix.IPC_NOWAIT} {
		_, err := q.TryReceive(make([]byte, 10), 0, flags)
		require.NoError(t, expectText(err, "only NoError and Except are possible", syscall.EINVAL))
		_, err = q.Receive(t.Context(), make([]byte, 10), 0, flags)
		require.NoError(t, expectText(err, "only NoError and Except are possible", syscall.EINVAL))
	}
	require.Equal(t, 1, stat(t, q).Messages)
}

func TestCopy(t *testing.T) {
	q := newQueue(t)
	queue := []sysvmsg.Message{message(3, "a"), message(1, ""), message(2, strings.Repeat("c", 5000))}
	for _, m := range queue {
		require.NoError(t, q.TrySend(m))
	}
	for range 2 {
		for place, want := range queue {
			for _, room := range []int{5000, 100000} {
				m, err := q.Copy(make([]byte, room), place)
				require.NoError(t, err)
				require.Equal(t, want.Type, m.Type)
				require.Equal(t, string(want.Data), string(m.Data))
			}
		}
	}
	for _, place := range []int{3, 1 << 40} {
		_, err := q.Copy(nil, place)
		require.Equal(t, sysvmsg.ErrNoMessage, err)
	}
	_, err := q.Copy(nil, -1)
	require.NoError(t, expectText(err, "place -1: the oldest message has place 0", syscall.EINVAL))
	require.Equal(t, 3, stat(t, q).Messages)
}

func TestKernelWithoutCopy(t *testing.T) {
	q := newQueue(t)
	require.NoError(t, q.TrySend(message(1, "a")))
	run(t, "no MSG_COPY", q, nil)
}

func helpNoCopy(q *sysvmsg.Queue) error {
	err := intercept.Calls(unix.SYS_MSGRCV, func(intercept.Call) intercept.Answer {
		return intercept.Answer{Errno: unix.ENOSYS}
	})
	if err != nil {
		return err
	}
	_, err = q.Copy(make([]byte, 10), 0)
	return expectText(err, "CONFIG_CHECKPOINT_RESTORE", syscall.ENOSYS)
}

func TestNothingIsAllocated(t *testing.T) {
	q := newQueue(t)
	full := newQueue(t)
	require.NoError(t, full.SetMaxBytes(0))
	m := message(1, strings.Repeat("x", 8192))
	buf := make([]byte, 100000)
	receive := func(m sysvmsg.Message, err error) error { return err }
	for _, tt := range []struct {
		name string
		do   func() error
		want error
	}{
		{"send", func() error { return q.TrySend(m) }, nil},
		{"copy", func() error { return receive(q.Copy(buf, 0)) }, nil},
		{"receive", func() error { return receive(q.TryReceive(buf, 0, 0)) }, nil},
		{"full", func() error { return full.TrySend(message(1, "x")) }, sysvmsg.ErrFull},
		{"no message", func() error { return receive(q.TryReceive(buf, 7, 0)) }, sysvmsg.ErrNoMessage},
		{"send and receive, context", func() error {
			if err := q.Send(t.Context(), m); err != nil {
				return err
			}
			return receive(q.Receive(t.Context(), buf, 0, 0))
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// AllocsPerRun calls the function once more than it is told: the queue holds two
			// messages.
			require.Zero(t, testing.AllocsPerRun(1, func() {
				if err := tt.do(); err != tt.want {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			}))
		})
	}
}

func BenchmarkSendReceive(b *testing.B) {
	for _, size := range []int{0, 100, 8192} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			q := newQueue(b)
			m, buf := sysvmsg.Message{Type: 1, Data: make([]byte, size)}, make([]byte, size)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Send(ctx, m); err != nil {
					b.Fatal(err)
				}
				if _, err := q.Receive(ctx, buf, 0, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
