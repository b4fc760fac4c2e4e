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

// A Peer is another process that has a bus open and receives, and forgets, what a reliable
// subscription of its own brings. Publishers wait for it once it is stopped, and not any longer
// once it is killed. Its methods are for one goroutine at a time.
type Peer struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
}

// StartPeer starts a peer that subscribes to the pattern, and returns when it has. With a patience
// it is evicted as [bus.EvictAfter] says, without one (0) it is [bus.Reliable]: publishers wait for
// it as long as their contexts say. The peer is killed when the test ends.
func StartPeer(t testing.TB, b *bus.Bus, pattern string, patience time.Duration) *Peer {
	t.Helper()
	p := &Peer{t: t}
	if err := p.start(b, pattern, patience); err != nil {
		t.Fatalf("bustest: peer: %v", err)
	}
	t.Cleanup(p.Kill)
	return p
}

func (p *Peer) start(b *bus.Bus, pattern string, patience time.Duration) error {
	_, err := folder() // there is a guardian, also where somebody else made the bus
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

// Pid returns the number of the peer's process, which [bus.FullError] and a snapshot's tables show.
func (p *Peer) Pid() int { return p.cmd.Process.Pid }

// Stop stops the peer with SIGSTOP, and returns when it is stopped. It does nothing to a dead one.
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

// Kill kills the peer with SIGKILL, stopped or not, and returns when it is gone: the kernel has
// told the bus by then. It may be called more than once.
func (p *Peer) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}

// peer is the process: it receives until its standard input ends.
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
