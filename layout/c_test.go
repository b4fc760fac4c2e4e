//go:build linux

package layout_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"shmbus/layout"
	"shmbus/ring"
)

// buildPeer compiles the C program that attaches by docs/layout.md alone.
func buildPeer(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no C compiler here")
	}
	peer := filepath.Join(t.TempDir(), "peer")
	out, err := exec.Command(cc, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", peer, "testdata/peer.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return peer
}

// newSegment returns a complete segment in a file, mapped.
func newSegment(t *testing.T, g layout.Geometry) (file string, mem []byte, r *ring.Ring) {
	t.Helper()
	m, err := layout.NewMap(g)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "segment")
	if err := os.WriteFile(file, make([]byte, m.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mem, err = syscall.Mmap(int(f.Fd()), 0, m.Size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	if err := (layout.Header{Geometry: g, Name: "c"}).Encode(mem); err != nil {
		t.Fatal(err)
	}
	if r, err = ring.New(mem, m); err != nil {
		t.Fatal(err)
	}
	r.Format()
	binary.LittleEndian.PutUint64(mem[layout.HeaderState:], layout.StateLive)
	binary.LittleEndian.PutUint64(mem[layout.HeaderMagic:], layout.Magic)
	return file, mem, r
}

// command returns a command that is killed after half a minute, because a peer waits for ever if
// the other one has failed.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}

const patience = 30 * time.Second

// TestC: a program in C that was written from docs/layout.md publishes and reads together with this
// implementation.
func TestC(t *testing.T) {
	peer := buildPeer(t)
	const each = 5000
	file, _, r := newSegment(t, layout.Geometry{
		Slots: 1 << 14, SlotSize: 128, Owned: 3, Publishers: 3, Subscribers: 128, Clients: 3, Topics: 5, MaxFrame: 1000,
	})
	publish := func(record int) error {
		p, err := r.Publisher(record)
		if err != nil {
			return err
		}
		for i := range each {
			text := fmt.Appendf(nil, "go %d", i)
			p.Fill(0, text)
			for p.Exchange(layout.MakeFrameInfo(len(text), layout.FlagWhole, uint16(record), 0), 7) != ring.Done {
				p.Rescan()
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	errs := make(chan error, 3)
	var out []byte
	wg.Go(func() { errs <- publish(0) })
	wg.Go(func() {
		msg, err := command(t, peer, file, "publish", "2", fmt.Sprint(each)).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("publishing in C: %w: %s", err, msg)
		}
		errs <- err
	})
	wg.Go(func() {
		var err error
		out, err = command(t, peer, file, "read", fmt.Sprint(2*each)).Output()
		errs <- err
	})
	wg.Wait()
	for range 3 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}

	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != 2*each {
		t.Fatalf("C read %d messages", len(lines))
	}
	c := r.Reader(ring.From(0))
	next := map[uint16]int{}
	buf := make([]byte, 112)
	for i, line := range lines {
		e, st := c.Peek()
		if st != ring.Done {
			t.Fatalf("at %d status %d", i, st)
		}
		info, n, st := c.Read(e, buf)
		if st != ring.Done {
			t.Fatalf("at %d status %d", i, st)
		}
		pub := info.Publisher()
		want := fmt.Sprintf("%s %d", map[uint16]string{0: "go", 2: "c"}[pub], next[pub])
		next[pub]++
		if string(buf[:n]) != want {
			t.Fatalf("Go reads %q at %d, want %q", buf[:n], i, want)
		}
		if read := fmt.Sprintf("%d %d %s", i, pub, want); line != read {
			t.Fatalf("C read %q, Go %q", line, read)
		}
		if tag := map[uint16]uint32{0: 7, 2: 0x123}[pub]; e.Tag() != tag {
			t.Fatalf("tag %#x, want %#x", e.Tag(), tag)
		}
		c.Advance()
	}
	if b := r.Audit(); !b.Balanced() || b.Unsettled > 0 {
		t.Errorf("books: %+v", b)
	}
}

// TestCIsHeldBack: a publisher in C waits for a reliable reader in Go.
func TestCIsHeldBack(t *testing.T) {
	peer := buildPeer(t)
	const messages = 2000
	file, _, r := newSegment(t, layout.Geometry{
		Slots: 8, SlotSize: 64, Owned: 2, Publishers: 1, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 40,
	})
	c := r.Join(63, ring.FromNow(), true)
	cmd := command(t, peer, file, "publish", "0", fmt.Sprint(messages))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	buf := make([]byte, 48)
	began := time.Now()
	for i := range messages {
		e, st := c.Peek()
		for ; st == ring.Empty; e, st = c.Peek() {
			if runtime.Gosched(); time.Since(began) > patience {
				t.Fatalf("C publishes %d messages and no more", i)
			}
		}
		_, n, st := c.Read(e, buf)
		if st != ring.Done || string(buf[:n]) != fmt.Sprint("c ", i) {
			t.Fatalf("at %d %q, status %d", i, buf[:n], st)
		}
		c.Advance()
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestCIsWaitedFor: a publisher in Go waits for a reader in C that joins while it publishes.
func TestCIsWaitedFor(t *testing.T) {
	peer := buildPeer(t)
	const messages = 2000
	file, _, r := newSegment(t, layout.Geometry{
		Slots: 8, SlotSize: 64, Owned: 2, Publishers: 1, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 40,
	})
	var out bytes.Buffer
	cmd := command(t, peer, file, "follow", "37", fmt.Sprint(messages))
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	p, err := r.Publisher(0)
	if err != nil {
		t.Fatal(err)
	}
	text := func(position uint64) string { return fmt.Sprint("go ", position) }
	for {
		p.CatchUp()
		b := []byte(text(p.Next()))
		p.Fill(0, b)
		if p.Exchange(layout.MakeFrameInfo(len(b), layout.FlagWhole, 0, 0), 7) != ring.Done {
			p.Rescan()
		}
		select {
		case err = <-ended:
		default:
			runtime.Gosched()
			continue
		}
		break
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != messages {
		t.Fatalf("C read %d messages", len(lines))
	}
	var first uint64
	if _, err := fmt.Sscan(lines[0], &first); err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		at := first + uint64(i)
		if want := fmt.Sprintf("%d 0 %s", at, text(at)); line != want {
			t.Fatalf("C read %q, want %q", line, want)
		}
	}
}

func TestCRefuses(t *testing.T) {
	peer := buildPeer(t)
	g := layout.Geometry{Slots: 8, SlotSize: 64, Owned: 2, Publishers: 1, Subscribers: 64, Clients: 2, Topics: 1, MaxFrame: 40}
	for off, want := range map[int]string{
		layout.HeaderMagic: "not a bus", layout.HeaderVersion: "another version", layout.HeaderHash: "another version", layout.HeaderLength: "another version",
		layout.HeaderSlots: "impossible geometry", layout.HeaderClients: "impossible geometry", layout.HeaderSegmentSize: "wrong size", layout.HeaderState: "removed",
		layout.HeaderSemID: "changed header", layout.HeaderName: "changed header",
	} {
		file, mem, _ := newSegment(t, g)
		mem[off]++
		if off == layout.HeaderClients {
			mem[off] = 1
		}
		out, err := command(t, peer, file, "read", "0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("with byte %d changed C says %q, %v; want %q", off, out, err, want)
		}
	}
}
