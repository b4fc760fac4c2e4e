package litmus

import (
	"fmt"
	"strings"
)

// An instruction is a load, a store, an atomic update or a barrier of one thread.
type instruction struct {
	op    op
	order order
	loc   string // the word that it accesses
	reg   string // the name of a load's value in outcomes
	old   int    // what an update must find
	val   int    // what is stored
}

type op uint8

const (
	load op = iota
	store
	update    // compare-and-swap, or an atomic OR
	full      // DMB ISH; nothing on amd64
	loads     // DMB ISHLD; nothing on amd64
	storeLoad // MFENCE; DMB ISH
)

type order uint8

const (
	plain     order = iota // LDR, STR
	acquirePC              // LDAPR
	acquire                // LDAR
	release                // STLR; a plain store on amd64
	locked                 // STLR; XCHG on amd64
)

// The instructions, named as package fence and sync/atomic name them. membarrier orders everything
// on each architecture: a sequentially consistent fence in C, or what membarrier(2) makes other
// threads do.

func read(loc, reg string) instruction { return instruction{op: load, loc: loc, reg: reg} }
func atomicLoad(loc, reg string) instruction {
	return instruction{op: load, order: acquire, loc: loc, reg: reg}
}
func loadPC(loc, reg string) instruction {
	return instruction{op: load, order: acquirePC, loc: loc, reg: reg}
}
func write(loc string, val int) instruction { return instruction{op: store, loc: loc, val: val} }
func storeRelease(loc string, val int) instruction {
	return instruction{op: store, order: release, loc: loc, val: val}
}
func atomicStore(loc string, val int) instruction {
	return instruction{op: store, order: locked, loc: loc, val: val}
}
func swap(loc string, old, val int) instruction {
	return instruction{op: update, loc: loc, old: old, val: val}
}
func or(loc string, val int) instruction { return swap(loc, 0, val) }

var (
	fenceFull  = instruction{op: full}
	fenceLoads = instruction{op: loads}
	membarrier = instruction{op: storeLoad}
)

func (i instruction) String() string {
	switch i.op {
	case full:
		return "fence.Full"
	case loads:
		return "fence.Loads"
	case storeLoad:
		return "membarrier"
	case load:
		return [...]string{"LDR ", "LDAPR ", "LDAR "}[i.order] + i.reg
	case store:
		return [...]string{plain: "STR ", release: "STLR ", locked: "XCHG "}[i.order] + i.loc
	}
	return "CAS " + i.loc
}

// weaker returns what the instruction can be weakened to; with none it is taken out.
func (i instruction) weaker() (to []instruction, out bool) {
	with := func(o order) instruction {
		w := i
		w.order = o
		return w
	}
	switch {
	case i.op == full || i.op == loads || i.op == storeLoad:
		return nil, true
	case i.order == acquire:
		return []instruction{with(plain), with(acquirePC)}, false
	case i.order == acquirePC || i.order == release:
		return []instruction{with(plain)}, false
	case i.order == locked:
		return []instruction{with(plain), with(release)}, false
	}
	return nil, false
}

type thread []instruction

// A Test is a piece of a protocol, and an outcome.
type Test struct {
	Threads []thread
	Init    map[string]int // values of words that do not begin with 0
	Outcome map[string]int // values of loads
}

// weakened returns the test with each of its orderings weakened, one at a time, by a name that says
// how.
func (t Test) weakened() map[string]Test {
	all := make(map[string]Test)
	for n, th := range t.Threads {
		for k, i := range th {
			replaced := func(by ...instruction) Test {
				w := t
				w.Threads = append([]thread(nil), t.Threads...)
				w.Threads[n] = append(append(append(thread(nil), th[:k]...), by...), th[k+1:]...)
				return w
			}
			to, out := i.weaker()
			if out {
				all[fmt.Sprintf("P%d without %v", n, i)] = replaced()
			}
			for _, w := range to {
				all[fmt.Sprintf("P%d %v", n, w)] = replaced(w)
			}
		}
	}
	return all
}

// Herd prints the test in the format of herd7, for Armv8 with LSE or without.
func (t Test) Herd(name string, lse bool) string {
	var locs []string
	seen := make(map[string]bool)
	for _, th := range t.Threads {
		for _, i := range th {
			if i.loc != "" && !seen[i.loc] {
				seen[i.loc] = true
				locs = append(locs, i.loc)
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "AArch64 %s\n{\n", name)
	address := make(map[string]string)
	for n, l := range locs {
		address[l] = fmt.Sprintf("X%d", 20-n)
		fmt.Fprintf(&b, "%s=%d;\n", l, t.Init[l])
		for n := range t.Threads {
			fmt.Fprintf(&b, "%d:%s=%s;\n", n, address[l], l)
		}
	}
	columns := make([][]string, len(t.Threads))
	rows := 0
	var conditions []string
	for n, th := range t.Threads {
		register, status := 0, 11
		add := func(format string, a ...any) { columns[n] = append(columns[n], fmt.Sprintf(format, a...)) }
		require := func(r, v int) { conditions = append(conditions, fmt.Sprintf("%d:X%d=%d", n, r, v)) }
		for _, i := range th {
			switch i.op {
			case full, storeLoad:
				add("DMB ISH")
			case loads:
				add("DMB ISHLD")
			case load:
				add("%s W%d,[%s]", [...]string{"LDR", "LDAPR", "LDAR"}[i.order], register, address[i.loc])
				if v, ok := t.Outcome[i.reg]; ok {
					require(register, v)
				}
				register++
			case store:
				add("MOV W9,#%d", i.val)
				add("%s W9,[%s]", [...]string{plain: "STR", release: "STLR", locked: "STLR"}[i.order], address[i.loc])
			case update:
				if lse {
					add("MOV W%d,#%d", register, i.old)
					add("MOV W9,#%d", i.val)
					add("CASAL W%d,W9,[%s]", register, address[i.loc])
				} else {
					add("LDAXR W%d,[%s]", register, address[i.loc])
					add("MOV W9,#%d", i.val)
					add("STLXR W10,W9,[%s]", address[i.loc])
					add("MOV W%d,W10", status)
					require(status, 0)
					status++
				}
				require(register, i.old)
				register++
			}
		}
		rows = max(rows, len(columns[n]))
	}
	b.WriteString("}\n")
	row := func(cell func(n int) string) {
		cells := make([]string, len(columns))
		for n := range columns {
			cells[n] = fmt.Sprintf(" %-18s", cell(n))
		}
		b.WriteString(strings.Join(cells, "|") + ";\n")
	}
	row(func(n int) string { return fmt.Sprintf("P%d", n) })
	for r := range rows {
		row(func(n int) string {
			if r < len(columns[n]) {
				return columns[n][r]
			}
			return ""
		})
	}
	fmt.Fprintf(&b, "exists (%s)\n", strings.Join(conditions, ` /\ `))
	return b.String()
}
