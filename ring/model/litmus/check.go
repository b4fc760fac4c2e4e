package litmus

import (
	"maps"
	"slices"
)

// A Model is a memory model.
type Model uint8

const (
	SC    Model = iota // sequential consistency: what the models of the protocol assume
	TSO                // amd64
	LSE                // Armv8 with compare-and-swap as one instruction
	Armv8              // Armv8.0: compare-and-swap is a loop of exclusive loads and stores
)

// Models has all memory models.
var Models = []Model{SC, TSO, LSE, Armv8}

func (m Model) String() string { return [...]string{"SC", "TSO", "LSE", "Armv8.0"}[m] }

// An event is an access to memory or a barrier. An update is two: its load and its store.
type event struct {
	thread, at int // at counts the thread's events; the initial values are stored by thread -1
	op         op
	order      order
	loc, reg   string
	val        int    // of a store, or what the load of an update must find
	pair       *event // of an update's load: its store
	updates    bool   // belongs to an update
}

func (e *event) reads() bool  { return e.op == load }
func (e *event) writes() bool { return e.op == store }

// An execution is one choice of which store each load reads from, and of the order of the stores to
// each word.
type execution struct {
	model   Model
	threads [][]*event
	events  []*event // all but barriers, with the initial stores
	from    map[*event]*event
	order   map[string][]*event // the initial store first
}

// Allows reports whether an execution in which every update succeeds has the test's outcome.
func (m Model) Allows(t Test) bool {
	x := execution{model: m, from: make(map[*event]*event), order: make(map[string][]*event)}
	x.prepare(t)
	var reads []*event
	for _, e := range x.events {
		if e.reads() {
			reads = append(reads, e)
		}
	}
	return x.chooseSources(t, reads)
}

func (x *execution) prepare(t Test) {
	x.threads = make([][]*event, len(t.Threads))
	for n, th := range t.Threads {
		add := func(e event) *event {
			e.thread, e.at = n, len(x.threads[n])
			x.threads[n] = append(x.threads[n], &e)
			return &e
		}
		for _, i := range th {
			if i.op != update {
				add(event{op: i.op, order: i.order, loc: i.loc, reg: i.reg, val: i.val})
				continue
			}
			r := add(event{op: load, order: acquire, loc: i.loc, val: i.old, updates: true})
			r.pair = add(event{op: store, order: release, loc: i.loc, val: i.val, updates: true})
		}
	}
	for _, th := range x.threads {
		for _, e := range th {
			if e.loc == "" {
				continue
			}
			if x.order[e.loc] == nil {
				first := &event{thread: -1, op: store, loc: e.loc, val: t.Init[e.loc]}
				x.order[e.loc] = []*event{first}
				x.events = append(x.events, first)
			}
			x.events = append(x.events, e)
			if e.writes() {
				x.order[e.loc] = append(x.order[e.loc], e)
			}
		}
	}
}

// chooseSources tries each store as the source of each load.
func (x *execution) chooseSources(t Test, reads []*event) bool {
	if len(reads) == 0 {
		return x.chooseOrders(slices.Sorted(maps.Keys(x.order)))
	}
	r := reads[0]
	for _, w := range slices.Clone(x.order[r.loc]) {
		if want, ok := t.Outcome[r.reg]; ok && w.val != want || r.pair != nil && w.val != r.val || w.thread == r.thread && w.at > r.at {
			continue
		}
		x.from[r] = w
		if x.chooseSources(t, reads[1:]) {
			return true
		}
	}
	return false
}

// chooseOrders tries each order of the stores to each word.
func (x *execution) chooseOrders(locs []string) bool {
	if len(locs) == 0 {
		return x.possible()
	}
	return permute(x.order[locs[0]], 1, func() bool { return x.chooseOrders(locs[1:]) })
}

// permute calls f with every order of s[k:], until it is true.
func permute(s []*event, k int, f func() bool) bool {
	if k >= len(s) {
		return f()
	}
	for i := k; i < len(s); i++ {
		s[k], s[i] = s[i], s[k]
		ok := permute(s, k+1, f)
		s[k], s[i] = s[i], s[k]
		if ok {
			return true
		}
	}
	return false
}

// possible reports whether the model allows the execution: an update's store comes right after the
// store that its load reads from; each word alone is sequentially consistent; and what is ordered,
// with what threads observe of each other, has no cycle.
func (x *execution) possible() bool {
	word, global := make(relation), make(relation)
	observe := func(a, b *event) {
		word.add(a, b)
		if a.thread != b.thread {
			global.add(a, b)
		}
	}
	for _, stores := range x.order {
		for i, w := range stores {
			for _, later := range stores[i+1:] {
				observe(w, later)
			}
		}
	}
	for r, w := range x.from {
		stores := x.order[r.loc]
		at := slices.Index(stores, w)
		if r.pair != nil && (at+1 == len(stores) || stores[at+1] != r.pair) {
			return false
		}
		observe(w, r)
		for _, later := range stores[at+1:] {
			observe(r, later)
		}
		// A load with acquire that reads from an update of its own thread comes after it.
		if w.updates && w.thread == r.thread && r.order >= acquirePC && (x.model == LSE || x.model == Armv8) {
			global.add(w, r)
		}
	}
	for _, th := range x.threads {
		for i, a := range th {
			for j, b := range th[i+1:] {
				if a.loc == "" || b.loc == "" {
					continue
				}
				if a.loc == b.loc {
					word.add(a, b)
				}
				if x.model.ordered(a, b, th[i+1:i+1+j]) {
					global.add(a, b)
				}
			}
		}
	}
	return word.acyclic(x.events) && global.acyclic(x.events)
}

// ordered reports whether the model orders two accesses of a thread, with others between them.
func (m Model) ordered(a, b *event, between []*event) bool {
	has := func(f func(e *event) bool) bool { return slices.ContainsFunc(between, f) }
	switch m {
	case SC:
		return true
	case TSO:
		lock := func(e *event) bool { return e.updates || e.order == locked || e.op == storeLoad }
		return !(a.writes() && b.reads()) || lock(a) || lock(b) || has(lock)
	}
	return a.reads() && (a.order == acquire || a.order == acquirePC) ||
		b.writes() && (b.order == release || b.order == locked) ||
		a.writes() && (a.order == release || a.order == locked) && b.reads() && b.order == acquire ||
		a.pair == b && b != nil && a.pair != nil ||
		has(func(e *event) bool { return e.op == full || e.op == storeLoad }) ||
		a.reads() && has(func(e *event) bool { return e.op == loads }) ||
		m == LSE && has(func(e *event) bool { return e.pair != nil && slices.Contains(between, e.pair) })
}

// A relation is a directed graph of events.
type relation map[*event][]*event

func (r relation) add(a, b *event) { r[a] = append(r[a], b) }

func (r relation) acyclic(events []*event) bool {
	const entered, left = 1, 2
	state := make(map[*event]int)
	var visit func(e *event) bool
	visit = func(e *event) bool {
		state[e] = entered
		for _, next := range r[e] {
			if state[next] == entered || state[next] == 0 && !visit(next) {
				return false
			}
		}
		state[e] = left
		return true
	}
	for _, e := range events {
		if state[e] == 0 && !visit(e) {
			return false
		}
	}
	return true
}
