package bustest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"shmbus/bus"
	"shmbus/internal/linux"
)

// A Peer is another process that has a bus open. It receives and discards the messages of its own
// reliable subscription. Publishers wait for it while it is stopped, and stop waiting once it is
// killed. One goroutine at a time may call its methods.
type Peer struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
}

// StartPeer starts a peer that subscribes to the pattern, and returns when it has subscribed. With
// a patience it is evicted as with [bus.EvictAfter]. With patience 0 it is [bus.Reliable]:
// publishers wait for it until their contexts end. The peer is killed when the test ends.
func StartPeer(t testing.TB, b *bus.Bus, pattern string, patience time.Duration) *Peer {
	t.Helper()
	if b == nil {
		t.Fatal("bustest.StartPeer: the bus is nil: make it with bustest.New")
	}
	p := &Peer{t: t}
	if err := p.start(b, pattern, patience); err != nil {
		t.Fatalf("bustest: peer: %v", err)
	}
	t.Cleanup(p.Kill)
	return p
}

func (p *Peer) start(b *bus.Bus, pattern string, patience time.Duration) error {
	_, err := folder() // starts the guardian, which a bus not made by New does not have
	if err != nil {
		return err
	}
	key := strconv.Itoa(int(b.Key()))
	if p.cmd, err = again(peerRole, key, pattern, patience.String()); err != nil {
		return err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	if _, err = answer(stdout); err == nil {
		err = tellGuardian(p.Pid())
	}
	if err != nil {
		p.Kill()
	}
	return err
}

// Pid returns the pid of the peer, which [bus.FullError] and the tables of a snapshot show.
func (p *Peer) Pid() int { return p.cmd.Process.Pid }

// Stop stops the peer with SIGSTOP, and returns when it is stopped. It has no effect on a dead
// peer.
func (p *Peer) Stop() {
	p.t.Helper()
	p.signal(linux.SIGSTOP)
	linux.AwaitStop(p.Pid())
}

// Continue lets the peer run again after Stop.
func (p *Peer) Continue() {
	p.t.Helper()
	p.signal(linux.SIGCONT)
}

func (p *Peer) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("bustest: peer: %v", err)
	}
}

// Kill kills the peer with SIGKILL, stopped or not, and returns when it is gone. By then the kernel
// has reported the death to the bus. Kill may be called more than once.
func (p *Peer) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// peer is the main function of the peer process: it receives until its standard input ends.
func peer(key, pattern, patience string) error {
	k, err := strconv.ParseInt(key, 10, 32)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(patience)
	if err != nil {
		return err
	}
	policy := bus.Reliable()
	if d != 0 {
		policy = bus.EvictAfter(d)
	}
	b, err := bus.OpenKey(int32(k), bus.WithClientName(peerRole))
	if err != nil {
		return err
	}
	defer b.Close()
	s, err := b.Subscribe(pattern, policy)
	if err != nil {
		return err
	}
	if _, err := fmt.Println(ready); err != nil {
		return err
	}
	go func() {
		for range s.All(context.Background()) {
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
