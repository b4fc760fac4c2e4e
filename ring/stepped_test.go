//go:build linux && amd64 && !race

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
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

// steppedChild runs one operation between two stops, again and again: "exchange", "steps", "run",
// "join", "take" or "rescan".
func steppedChild() {
	file, operation, _ := strings.Cut(os.Getenv(steppedEnv), ":")
	r, mem, err := mapRing(file)
	if err != nil {
		panic(err)
	}
	defer syscall.Munmap(mem)
	pid, tid := os.Getpid(), syscall.Gettid()
	stop := func() { syscall.Tgkill(pid, tid, syscall.SIGSTOP) }
	if operation == "join" {
		for {
			stop()
			r.Join(0, FromNow(), true)
			stop()
			r.OpenGate(0, r.Gate(0), layout.GateOpen)
		}
	}
	for operation == "take" {
		stop()
		c := r.Reader(From(atomic.LoadUint64(r.subWord(0, layout.SubCursor))))
		var buf [48]byte
		n, ok := c.Take(steppedLike, buf[:])
		outcome := uint64(0)
		if v, whole := parse(buf[:n]); whole {
			outcome = v
		} else if ok {
			outcome = ^uint64(0) // torn
		}
		atomic.StoreUint64(r.subWord(0, layout.SubReceived), outcome)
		stop()
	}
	p, err := r.Publisher(0)
	if err != nil {
		panic(err)
	}
	p.Rescan()
	var buf [48]byte
	message(&buf, 7777)
	p.Fill(0, buf[:])
	info := layout.MakeFrameInfo(48, layout.FlagWhole, 0, 0)
	for operation == "rescan" {
		stop()
		p.Rescan()
		for p.Exchange(info, 7777) == Done {
		}
		stop()
	}
	if operation == "run" {
		var second [48]byte
		message(&second, 7777+1<<12) // with the same tag
		frames := [][]byte{buf[:], second[:]}
		stop()
		n, _, st := p.PublishRun(frames, info&^48, 7777)
		stop()
		if n != 2 || st != Done {
			panic(st)
		}
		return
	}
	if operation == "steps" {
		stop()
		done := publishBySteps(p, buf[:], info, 7777)
		stop()
		if !done {
			panic("not done")
		}
		return
	}
	stop()
	st := p.Exchange(info, 7777)
	stop()
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

// TestKilledAtEachInstruction runs Exchange, the same in steps, and a run of two frames, in another
// process, one machine instruction at a time. The stores come in the order that the package comment
// promises, and a death after any of them loses nothing and hands out no slot twice.
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
		for operation, values := range map[string][]uint64{"exchange": {7777}, "steps": {7777}, "run": {7777, 7777 + 1<<12}} {
			t.Run(tt.name+"/"+operation, func(t *testing.T) { killAtEachInstruction(t, tt.start, tt.setup, operation, values) })
		}
	}
}

func killAtEachInstruction(t *testing.T, start uint64, setup func(*testing.T, *Ring), operation string, values []uint64) {
	file, r := steppedRing(t)
	m, mem := r.Layout(), r.base
	r.FormatAt(start)
	setup(t, r)
	head := r.Head()

	var order []string
	var before []byte
	stepThrough(t, file, operation, func() {
		if before == nil {
			// A store that changes nothing would not be noticed.
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
		survive(t, m, mem, head, values)
	})
	// Others act on the entry only; the order of the other stores matters only relative to it.
	want := slices.Repeat([]string{"info", "position", "intent", "in flight", "entry", "settled"}, len(values))
	order = slices.DeleteFunc(order, func(s string) bool { return s == "payload" })
	if !slices.Equal(order, want) {
		t.Errorf("the stores come in the order %q, want %q", order, want)
	}
}

// A tracee is a child process that runs from stop to stop, or one instruction at a time.
type tracee struct {
	t   *testing.T
	pid int
}

// trace starts a child that maps file and runs operation. The test's goroutine stays on its thread
// until the test ends.
func trace(t *testing.T, file, operation string) *tracee {
	t.Helper()
	runtime.LockOSThread()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), steppedEnv+"="+file+":"+operation, "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		t.Skipf("processes cannot be traced here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		runtime.UnlockOSThread()
	})
	c := &tracee{t, cmd.Process.Pid}
	if c.wait() != syscall.SIGSTOP {
		c.run()
	}
	return c
}

func (c *tracee) wait() syscall.Signal {
	c.t.Helper()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(c.pid, &ws, 0, nil); err != nil {
		c.t.Fatal(err)
	}
	if !ws.Stopped() {
		c.t.Fatalf("the child ended: %v", ws)
	}
	return ws.StopSignal()
}

// run lets the child run to its next stop.
func (c *tracee) run() {
	c.t.Helper()
	forward := 0
	for {
		if err := syscall.PtraceCont(c.pid, forward); err != nil {
			c.t.Fatal(err)
		}
		sig := c.wait()
		if sig == syscall.SIGSTOP {
			return
		}
		if forward = int(sig); sig == syscall.SIGTRAP {
			forward = 0
		}
	}
}

// step runs one instruction, and reports whether the child is at its next stop.
func (c *tracee) step() bool {
	c.t.Helper()
	if err := syscall.PtraceSingleStep(c.pid); err != nil {
		c.t.Fatal(err)
	}
	return c.wait() == syscall.SIGSTOP
}

// stepThrough calls look before each instruction between the child's two stops.
func stepThrough(t *testing.T, file, operation string, look func()) {
	t.Helper()
	c := trace(t, file, operation)
	for look(); !t.Failed() && !c.step(); look() {
	}
	look()
}

// toEntry lets the child run to the first instruction of f, by a breakpoint that it then removes.
func (c *tracee) toEntry(f any) {
	c.t.Helper()
	entry := reflect.ValueOf(f).Pointer() // the child is the same program, at the same addresses
	code := make([]byte, 1)
	must(c.t, second(syscall.PtracePeekText(c.pid, entry, code)))
	must(c.t, second(syscall.PtracePokeText(c.pid, entry, []byte{0xcc})))
	for {
		must(c.t, syscall.PtraceCont(c.pid, 0))
		if sig := c.wait(); sig == syscall.SIGTRAP {
			break
		} else if sig == syscall.SIGSTOP {
			c.t.Skip("the child's code is at other addresses")
		}
	}
	must(c.t, second(syscall.PtracePokeText(c.pid, entry, code)))
	regs := c.registers()
	regs.Rip = uint64(entry)
	must(c.t, syscall.PtraceSetRegs(c.pid, &regs))
}

func (c *tracee) registers() (regs syscall.PtraceRegs) {
	c.t.Helper()
	must(c.t, syscall.PtraceGetRegs(c.pid, &regs))
	return regs
}

func second(_ int, err error) error { return err }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// interfere repeats the child's operation, which calls f. Each time it stops the child one
// instruction later, from the entry of f to the end of the operation, and calls meanwhile while the
// child is stopped. It calls finished when the operation has ended.
func interfere(t *testing.T, file, operation string, f any, meanwhile, finished func()) {
	t.Helper()
	c := trace(t, file, operation)
	for at := 0; ; at++ {
		c.toEntry(f)
		over := false
		for i := 0; i < at && !over; i++ {
			c.step()
			in := runtime.FuncForPC(uintptr(c.registers().Rip))
			over = in != nil && strings.HasSuffix(in.Name(), ".steppedChild")
		}
		meanwhile()
		c.run()
		finished()
		if over || t.Failed() {
			t.Logf("%d instructions", at)
			return
		}
		c.run() // to the beginning of the next one
	}
}

func steppedRing(t *testing.T) (file string, r *Ring) {
	t.Helper()
	m, err := layout.NewMap(steppedGeometry)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ring")
	if err := os.WriteFile(file, make([]byte, m.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	r, mem, err := mapRing(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	r.Format()
	return file, r
}

// steppedLike is what the reader of TestTakeStoppedAnywhere expects.
var steppedLike = Match{Tag: 7777 & 0xfff, Kind: layout.MakeFrameInfo(0, layout.FlagWhole, 1, 0).Kind()}

// TestTakeStoppedAnywhere stops a reader between any two instructions of Take. While it is stopped,
// a publisher displaces the message and then fills its slot with another message, which it either
// publishes or not. The reader never returns a message that was not published.
func TestTakeStoppedAnywhere(t *testing.T) {
	for _, filling := range []bool{false, true} {
		t.Run(fmt.Sprintf("filling=%v", filling), func(t *testing.T) {
			file, r := steppedRing(t)
			p := openPublisher(t, r, 1)
			value := uint64(7777)
			next := func() {
				value += 1 << 12 // with the same tag
				publish(t, p, value)
			}
			at, want, taken, refused := uint64(0), uint64(0), 0, 0
			begin := func() {
				next()
				at, want = p.Next()-1, value
				atomic.StoreUint64(r.subWord(0, layout.SubCursor), at)
			}
			begin()
			interfere(t, file, "take", (*Cursor).Take, func() {
				slot := r.load(at).Slot()
				for range r.Slots() {
					next()
				}
				for p.own().number != slot {
					next()
				}
				if !filling {
					next()
					return
				}
				var other [48]byte
				message(&other, 1)
				p.Fill(0, other[:])
			}, func() {
				switch got := atomic.LoadUint64(r.subWord(0, layout.SubReceived)); got {
				case want:
					taken++
				case 0:
					refused++
				default:
					t.Fatalf("the message at %d is %#x, the reader has %#x", at, want, got)
				}
				begin()
			})
			if taken == 0 || refused == 0 {
				t.Errorf("%d times taken, %d times not", taken, refused)
			}
		})
	}
}

// exhaust publishes up to n messages, as long as there is room.
func exhaust(p *Publisher, n uint64) {
	info := layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0)
	for to := p.Next() + n; p.Next() < to; {
		if p.Exchange(info, 0) != Done {
			if who, _ := p.Rescan(); who >= 0 {
				return
			}
		}
	}
}

// TestJoinStoppedAnywhere stops a joining reader between any two of its instructions, while a
// publisher goes once around the ring. The limit that the publisher has cached must not cost the
// reader a message.
func TestJoinStoppedAnywhere(t *testing.T) {
	file, r := steppedRing(t)
	p := openPublisher(t, r, 1)
	exhaust(p, 20)
	interfere(t, file, "join", (*Ring).Head, func() {
		exhaust(p, 3*r.Slots())
		p.Rescan()
	}, func() {
		for p.Exchange(layout.MakeFrameInfo(0, layout.FlagWhole, 0, 0), 0) == Done { // until the limit is reached
		}
		if g := r.Gate(0); g.State() != layout.GateClosed {
			t.Fatalf("the gate is %x", uint64(g))
		}
		start := atomic.LoadUint64(r.subWord(0, layout.SubCursor))
		if head := r.Head(); head-start > r.Slots() {
			t.Fatalf("a reliable reader starts at %d and has lost messages: the head is %d", start, head)
		}
		r.OpenGate(0, r.Gate(0), layout.GateOpen) // the joiner has gone
		p.Rescan()
	})
}

// TestRescanStoppedAnywhere stops a publisher between any two instructions of Rescan, while a
// reliable reader joins and another publisher fills the ring.
func TestRescanStoppedAnywhere(t *testing.T) {
	file, r := steppedRing(t)
	q := openPublisher(t, r, 1)
	exhaust(q, 20)
	var reader *Cursor
	fill := func() {
		reader = r.Join(40, FromNow(), true)
		q.Rescan()
		exhaust(q, 3*r.Slots())
	}
	check := func() {
		if reader == nil {
			return
		}
		if _, st := reader.Peek(); st == Lapped {
			t.Fatalf("a reliable reader is lapped at %d, head %d", reader.Next(), r.Head())
		}
		r.OpenGate(40, r.Gate(40), layout.GateOpen)
		q.Rescan()
		reader = nil
	}
	interfere(t, file, "rescan", (*Publisher).Rescan, fill, check)
}

// changed returns the names of the words that differ.
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
		case off >= m.Slots.Offset:
			name = "payload"
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

// survive checks a death of the publisher of record 0 with the memory as it is now. No slot is
// lost, and the ring holds the messages that it has published since head, which are the first of
// values.
func survive(t *testing.T, m layout.Map, mem []byte, head uint64, values []uint64) {
	t.Helper()
	dead := alignedMemory(len(mem))
	copy(dead, mem)
	r, err := New(dead, m)
	if err != nil {
		t.Fatal(err)
	}
	expectBalance(t, r)
	published := r.Head() - head
	if published > uint64(len(values)) {
		t.Fatalf("head %d, it was %d", r.Head(), head)
	}
	c := r.Reader(From(head))
	expect(t, c, values[:published]...)
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
