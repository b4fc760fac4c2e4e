//go:build linux

package sysvmsg_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/internal/testload"
	"shmbus/internal/testproc"
	"shmbus/sysvmsg"
)

// thread runs f on a thread that nobody else uses meanwhile.
func thread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

const (
	messagesEach = 5000
	processes    = 3
	last         = 2 // type of the message that ends a receiver; others are of type 1
)

// Three processes send to three that receive: each message arrives once, those of one sender in
// order at each receiver.
func TestProcesses(t *testing.T) {
	q, results := newQueue(t), newQueue(t)
	var senders, receivers []*exec.Cmd
	for range processes {
		cmd := helper("receive", q)
		cmd.Env = append(cmd.Env, fmt.Sprintf("RESULTS=%d", results.ID()))
		require.NoError(t, cmd.Start())
		receivers = append(receivers, cmd)
		cmd = helper("send", q)
		require.NoError(t, cmd.Start())
		senders = append(senders, cmd)
	}
	for _, cmd := range senders {
		require.NoError(t, cmd.Wait())
	}
	for range receivers {
		require.NoError(t, q.Send(t.Context(), sysvmsg.Message{Type: last}))
	}
	total := 0
	for range receivers {
		m, err := results.Receive(t.Context(), make([]byte, 8), 0, 0)
		require.NoError(t, err)
		total += int(binary.LittleEndian.Uint64(m.Data))
	}
	for _, cmd := range receivers {
		require.NoError(t, cmd.Wait())
	}
	require.Equal(t, processes*messagesEach, total)
	require.Zero(t, stat(t, q).Messages)
}

// helpSend sends messages of its pid and a number.
func helpSend(q *sysvmsg.Queue) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	data := binary.LittleEndian.AppendUint64(nil, uint64(os.Getpid()))
	for i := range messagesEach {
		m := sysvmsg.Message{Type: 1, Data: binary.LittleEndian.AppendUint64(data, uint64(i))}
		if err := q.Send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// helpReceive receives messages of type 1 until one of the last type is there and none of type 1,
// and reports how many there were.
func helpReceive(q *sysvmsg.Queue) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	buf, next, n := make([]byte, 16), map[uint64]uint64{}, uint64(0)
	for {
		m, err := q.Receive(ctx, buf, -last, 0)
		if err != nil {
			return err
		}
		if m.Type == last {
			break
		}
		sender, i := binary.LittleEndian.Uint64(m.Data), binary.LittleEndian.Uint64(m.Data[8:])
		if i < next[sender] {
			return fmt.Errorf("message %d of %d after %d", i, sender, next[sender])
		}
		next[sender] = i + 1
		n++
	}
	var id int
	if _, err := fmt.Sscan(os.Getenv("RESULTS"), &id); err != nil {
		return err
	}
	data := binary.LittleEndian.AppendUint64(nil, n)
	return sysvmsg.FromID(id).Send(ctx, sysvmsg.Message{Type: 1, Data: data})
}

// A process that is killed while it waits takes no message with it, and leaves none.
func TestKilledWaiter(t *testing.T) {
	forWaits(t, func(t *testing.T, w wait, q *sysvmsg.Queue) {
		name := map[string]string{"Receive": "wait for a message", "Send": "wait for room"}[w.name]
		var killed []*testproc.Process
		for range 3 {
			p := start(t, name, q)
			awaitWaiters(t, p.PID(), 1)
			killed = append(killed, p)
		}
		done := make(chan error, 1)
		go func() { done <- w.do(t.Context(), q) }()
		awaitWaiters(t, os.Getpid(), 1)
		for _, p := range killed {
			p.Kill()
			require.Equal(t, unix.SIGKILL, p.Signaled())
		}
		require.NoError(t, w.allow(q))
		require.NoError(t, testload.InTime(t, done))
		require.Equal(t, w.done, stat(t, q).Messages)
	})
}

func helpWaitForMessage(q *sysvmsg.Queue) error {
	fmt.Println("ready")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return waits[0].do(ctx, q)
}

func helpWaitForRoom(q *sysvmsg.Queue) error {
	fmt.Println("ready")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return waits[1].do(ctx, q)
}

func TestAnotherNamespace(t *testing.T) {
	q := newQueue(t)
	run(t, "another namespace", q, newNamespace())
}

func helpAnotherNamespace(q *sysvmsg.Queue) error {
	_, err := q.Stat()
	return expectText(err, "or belongs to another namespace", sysvmsg.ErrRemoved)
}
