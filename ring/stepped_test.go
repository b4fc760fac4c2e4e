//go:build linux && amd64 && !race

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"shmbus/layout"
)

// steppedEnv tells a child process of TestKilledAtEachInstruction which file to map.
const steppedEnv = "RING_STEPPED"

var steppedGeometry = geometry(8, 2, 3)

func init() {
	if os.Getenv(steppedEnv) != "" {
		runtime.LockOSThread() // the thread that is traced
	}
}

// steppedChild publishes one message between two stops.
func steppedChild() {
	file, record, _ := strings.Cut(os.Getenv(steppedEnv), ":")
	r, mem, err := mapRing(file)
	if err != nil {
		panic(err)
	}
	defer syscall.Munmap(mem)
	i, err := strconv.Atoi(record)
	if err != nil {
		panic(err)
	}
	p, err := r.Publisher(i)
	if err != nil {
		panic(err)
	}
	p.Rescan()
	var buf [48]byte
	message(&buf, 7777)
	p.Fill(0, buf[:])
	pid, tid := os.Getpid(), syscall.Gettid()
	syscall.Tgkill(pid, tid, syscall.SIGSTOP)
	st := p.Exchange(layout.MakeFrameInfo(48, layout.FlagWhole, uint16(i), 0), 7777)
	syscall.Tgkill(pid, tid, syscall.SIGSTOP)
	if st != Done {
		panic(st)
	}
}

func mapRing(file string) (*Ring, []byte, error) {
	m, err := layout.NewMap(steppedGeometry)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	mem, err := syscall.Mmap(int(f.Fd()), 0, m.Size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	r, err := New(mem, m)
	return r, mem, err
}

// TestKilledAtEachInstruction runs Exchange in another process one machine instruction at a time. It holds that the
// stores come in the order that the package comment promises, and that after each of them a death
// would lose nothing and hand out no slot twice.
func TestKilledAtEachInstruction(t *testing.T) {
	tests := []struct {
		name  string
		start uint64
		setup func(t *testing.T, r *Ring)
	}{
		{"first message", 0, func(*testing.T, *Ring) {}},
		{"laps later", 0, func(t *testing.T, r *Ring) {
			for i := range 3 {
				publishAll(t, openPublisher(t, r, i), seq(0, 11)...)
			}
		}},
		{"lap wrap", (1<<32 - 2) << 3, func(t *testing.T, r *Ring) { publishAll(t, openPublisher(t, r, 1), seq(0, 12)...) }},
		{"displaces the slot of another death", 0, func(t *testing.T, r *Ring) {
			dieAt(t, r, openPublisher(t, r, 1), swapped, 1, nil)
			publishAll(t, openPublisher(t, r, 2), seq(0, 7)...)
		}},
		{"heir of a death", 0, func(t *testing.T, r *Ring) {
			dieAt(t, r, openPublisher(t, r, 0), swapped, 1, nil)
			dieAt(t, r, openPublisher(t, r, 2), inFlight, 2, nil)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := layout.NewMap(steppedGeometry)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "ring")
			if err := os.WriteFile(file, make([]byte, m.Size), 0o600); err != nil {
				t.Fatal(err)
			}
			r, mem, err := mapRing(file)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Munmap(mem)
			r.FormatAt(tt.start)
			tt.setup(t, r)
			head := r.Head()

			var order []string
			var before []byte
			stepThrough(t, file, func() {
				if before == nil {
					// A store that changes nothing would not be seen.
					for _, pair := range pubPairs(r, 0) {
						atomic.StoreUint64(slotInfo(r.slot(pair.Mine())), ^uint64(0))
						atomic.StoreUint64(slotPosition(r.slot(pair.Mine())), ^uint64(0))
					}
				}
				if before != nil && slices.Equal(before, mem) {
					return
				}
				if before != nil {
					order = append(order, changed(t, r, before, mem)...)
				}
				before = slices.Clone(mem)
				survive(t, m, mem, head)
			})
			// The entry is the only thing that others act on; the rest has its place before or behind it.
			want := []string{"info", "position", "intent", "in flight", "entry", "settled"}
			if !slices.Equal(order, want) {
				t.Errorf("the stores come in the order %q, want %q", order, want)
			}
		})
	}
}

// stepThrough calls look before each instruction between the child's two stops.
func stepThrough(t *testing.T, file string, look func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), steppedEnv+"="+file+":0", "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skipf("processes cannot be traced here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	wait := func() syscall.Signal {
		t.Helper()
		var ws syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
			t.Fatal(err)
		}
		if !ws.Stopped() {
			t.Fatalf("the child ended: %v", ws)
		}
		return ws.StopSignal()
	}
	forward := 0
	for sig := wait(); sig != syscall.SIGSTOP; sig = wait() {
		if forward = int(sig); sig == syscall.SIGTRAP {
			forward = 0
		}
		if err := syscall.PtraceCont(pid, forward); err != nil {
			t.Fatal(err)
		}
	}
	instructions := 0
	for {
		look()
		if t.Failed() {
			return
		}
		if err := syscall.PtraceSingleStep(pid); err != nil {
			t.Fatal(err)
		}
		if sig := wait(); sig == syscall.SIGSTOP {
			break
		}
		instructions++
	}
	look()
	t.Logf("%d instructions", instructions)
}

// changed names the words that differ.
func changed(t *testing.T, r *Ring, before, after []byte) []string {
	t.Helper()
	m := r.Layout()
	var names []string
	for off := 0; off < len(after); off += 8 {
		v := binary.LittleEndian.Uint64(after[off:])
		if binary.LittleEndian.Uint64(before[off:]) == v {
			continue
		}
		name := fmt.Sprintf("word at %d", off)
		switch pub := off - m.Publishers.At(0); {
		case off >= m.Entries.Offset && off < m.Entries.End():
			name = "entry"
		case off >= m.Slots.Offset && (off-m.Slots.Offset)%m.Slots.Stride == layout.FramePosition:
			name = "position"
		case off >= m.Slots.Offset && (off-m.Slots.Offset)%m.Slots.Stride == layout.FrameInfoOffset:
			name = "info"
		case pub == layout.PubIntent:
			name = "intent"
		case pub >= layout.PubOwned && pub < layout.PubOwned+8*layout.MaxOwned:
			name = "in flight"
			if layout.Pair(v).IsSettled() {
				name = "settled"
			}
		}
		names = append(names, name)
	}
	return names
}

// survive holds that the publisher of record 0 may die with the memory as it is.
func survive(t *testing.T, m layout.Map, mem []byte, head uint64) {
	t.Helper()
	dead := alignedMemory(len(mem))
	copy(dead, mem)
	r, err := New(dead, m)
	if err != nil {
		t.Fatal(err)
	}
	expectBalance(t, r)
	published := r.Head() == head+1
	if !published && r.Head() != head {
		t.Fatalf("head %d, it was %d", r.Head(), head)
	}
	c := r.Reader(From(head))
	if published {
		expect(t, c, 7777)
	}
	expectStatus(t, c, Empty)
	for round := range 4 {
		for i := range steppedGeometry.Publishers {
			p, err := r.Publisher(i)
			if errors.Is(err, ErrUnsettled) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			expectBalance(t, r)
			for v := range uint64(9) {
				publish(t, p, uint64(round)<<8|v)
				expect(t, c, uint64(round)<<8|v)
			}
			expectBalance(t, r)
		}
	}
	if b := r.Audit(); b.Unsettled > 0 {
		t.Fatalf("pairs stay open: %+v", b)
	}
}
