package bus

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/wire"
)

type (
	octet  byte
	digest [4]octet
	names  []string
	labels map[string]string
	stamp  struct{ time.Time }

	endlessPtr *endlessPtr
	loop       struct {
		Name string
		Next *loop
	}
	row struct {
		_msgpack struct{} `msgpack:",as_array"`
		Next     *row
	}
	embeds struct {
		N       int
		*embeds //lint:ignore U1000 the encoder finds it
	}
	throughEmbedded struct {
		N     int
		Inner struct{ *embeds }
	}
	wrapped struct{ msgpack.CustomEncoder }
	turtles []turtles
	tree    map[string]tree
)

var _ = row{}._msgpack

// panics encodes itself, and not well.
type panics struct{ with any }

func (p panics) EncodeMsgpack(*msgpack.Encoder) error { panic(p.with) }

// handsOver has the msgpack package encode what it holds.
type handsOver struct{ v any }

func (h handsOver) EncodeMsgpack(e *msgpack.Encoder) error { return e.Encode(h.v) }

// leaves ends its goroutine.
type leaves struct{}

func (leaves) EncodeMsgpack(*msgpack.Encoder) error { runtime.Goexit(); return nil }

// bothForms has f run with a publisher of either form and a subscription to what it publishes.
func bothForms(t *testing.T, f func(t *testing.T, p *Publisher, s *Subscription)) {
	for name, options := range map[string][]PublishOption{"safe": nil, "exclusive": {Exclusive()}} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t, WithMaxFrame(8<<20), WithSlots(1<<10))
			f(t, publisher(t, b, "a", options...), subscribe(t, b, "a"))
		})
	}
}

// A value that cannot be encoded is an error that says what it is and where, and never a panic or
// the end of the process.
func TestValuesThatCannotBeEncoded(t *testing.T) {
	cyclic := &loop{Name: "x"}
	cyclic.Next = &loop{Name: "y", Next: cyclic}
	rows := new(row)
	rows.Next = rows
	self := turtles{nil}
	self[0] = self
	branch := tree{}
	branch["b"] = branch
	var itself any
	itself = &itself
	anyList := []any{1, nil}
	anyList[1] = anyList
	anyMap := map[string]any{}
	anyMap["m"] = map[string]any{"n": anyMap}
	keys := map[any]int{}
	keys[&keys] = 1
	deep := any(1)
	for range wire.MaxDepth + 1 {
		deep = []any{deep}
	}
	for _, tt := range []struct {
		name string
		v    any
		want string // after the type's name
	}{
		{"uintptr", uintptr(1), "a uintptr cannot be encoded"},
		{"a field of uintptr", struct{ A, P uintptr }{}, "A: a uintptr cannot be encoded"},
		{"uintptr in a list in a map", map[string]any{"k": []any{1, uintptr(1)}}, "k[1]: a uintptr cannot be encoded"},
		{"uintptr keys", map[uintptr]int{1: 1}, "key: a uintptr cannot be encoded"},
		{"unsafe.Pointer", struct{ P unsafe.Pointer }{}, "P: a unsafe.Pointer cannot be encoded"},
		{"chan", struct{ C chan int }{}, "C: a chan int cannot be encoded"},
		{"func", struct{ In struct{ F func() } }{}, "In.F: a func() cannot be encoded"},
		{"complex", []complex64{1}, "[0]: a complex64 cannot be encoded"},
		{"complex keys", map[complex128]int{1: 1}, "key: a complex128 cannot be encoded"},
		{"named bytes in any", struct{ V any }{digest{}}, "V: a bus.digest in an interface or a map cannot be encoded: put a pointer to it there"},
		{"named bytes in a map", map[int]digest{7: {}}, "[7]: a bus.digest in an interface or a map cannot be encoded: put a pointer to it there"},
		{"interned int", struct {
			N int `msgpack:",intern"`
		}{}, "N: a int cannot be interned"},
		{"an embedded map that is not exported", struct{ labels }{labels{}}, "labels: the embedded bus.labels is not exported and cannot be encoded"},
		{"an embedded slice that is not exported", struct{ names }{names{"a"}}, "names: the embedded bus.names is not exported and cannot be encoded"},
		{"an embedded error", struct{ error }{errors.New("x")}, "error: the embedded error is not exported and cannot be encoded"},
		{"an embedded omitempty", struct {
			octet `msgpack:",omitempty"`
		}{}, "octet: the embedded bus.octet is not exported and cannot be encoded"},
		{"an embedded pointer that is nil and has the encoding", struct{ *time.Time }{},
			"Time: the embedded *time.Time, which encodes the struct { *time.Time }, is nil"},
		{"an embedded interface that is nil and has the encoding", []any{wrapped{}}, "[0].CustomEncoder: the embedded msgpack.CustomEncoder, which"},
		{"a pointer to itself", endlessPtr(nil), "bus.endlessPtr points to itself"},
		{"a field of a pointer to itself", struct{ P []endlessPtr }{}, "bus.endlessPtr points to itself"},
		{"a struct that embeds itself", embeds{}, "bus.embeds embeds itself"},
		{"a field of a struct that embeds itself", &throughEmbedded{}, "embeds itself"},
		{"any of a struct that embeds itself", []any{embeds{}}, "[0]: bus.embeds embeds itself"},
		{"a circle of pointers", cyclic, "Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.Next.…: it contains itself, or is nested deeper than 1000 levels"},
		{"a circle of rows", rows, "it contains itself"},
		{"a circle of slices", self, "it contains itself"},
		{"a circle of maps", branch, "it contains itself"},
		{"an any that points to itself", itself, "it contains itself"},
		{"a circle of []any", anyList, "[1][1][1]"},
		{"a circle of map[string]any", struct{ M any }{anyMap}, "M.m.n.m.n"},
		{"a map that is its key", keys, "it contains itself"},
		{"deeper than a frame is", deep, "nested deeper than 1000 levels"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothForms(t, func(t *testing.T, p *Publisher, s *Subscription) {
				ctx := soon(t)
				for range 2 {
					err := p.Publish(ctx, tt.v)
					require.ErrorIs(t, err, ErrInvalid)
					require.ErrorContains(t, err, tt.want)
					require.Regexp(t, `^publish "a" on bus "test-\d+": encode `, err.Error())
				}
				_, err := s.TryNext()
				require.ErrorIs(t, err, ErrEmpty)
				require.NoError(t, p.Publish(ctx, 7), "nothing is held")
				v, _, err := Receive[int](ctx, s)
				require.NoError(t, err)
				require.Equal(t, 7, v)
			})
		})
	}
}

// What looks like the values above and can be encoded is encoded.
func TestValuesThatCanBeEncoded(t *testing.T) {
	long := &loop{Name: "last"}
	for range wire.MaxDepth - 1 {
		long = &loop{Next: long}
	}
	deep := any([]byte{1})
	for range wire.MaxDepth {
		deep = []any{deep}
	}
	var nested any = 7
	for range wire.MaxDepth / 2 {
		inner := nested
		nested = &inner
	}
	shared := &loop{Name: "s"}
	for _, tt := range []struct {
		name string
		v    any
		want any // nil: whatever
	}{
		{"an array of a named byte", digest{1, 2, 3, 4}, []byte{1, 2, 3, 4}},
		{"a struct with one", struct{ ID digest }{digest{1, 2, 3, 4}}, map[string]any{"ID": []byte{1, 2, 3, 4}}},
		{"an array of them", [2]digest{{1}, {2}}, []any{[]byte{1, 0, 0, 0}, []byte{2, 0, 0, 0}}},
		{"a slice of structs with one", []struct{ ID digest }{{digest{9}}}, []any{map[string]any{"ID": []byte{9, 0, 0, 0}}}},
		{"a pointer to one in a map", map[string]*digest{"a": {9}}, map[string]any{"a": []byte{9, 0, 0, 0}}},
		{"a named byte", octet(3), int64(3)},
		{"as many levels as a frame may have", long, nil},
		{"as many levels, of []any", deep, nil},
		{"pointers to pointers", nested, int64(7)},
		{"one thing twice", []any{shared, shared, []*loop{shared, shared}}, nil},
		{"nil maps and slices", struct {
			M map[string]any
			L turtles
			T tree
			P *embeds `msgpack:"-"`
			A any
		}{}, map[string]any{"M": nil, "L": nil, "T": nil, "A": nil}},
		{"a nil pointer", (*loop)(nil), nil},
		{"nil", nil, nil},
		{"a type that embeds another's code", stamp{time.Unix(1, 0)}, nil},
		{"a key of any", map[any]int{1: 1, "a": 2}, map[any]any{int64(1): int64(1), "a": int64(2)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothForms(t, func(t *testing.T, p *Publisher, s *Subscription) {
				ctx := soon(t)
				require.NoError(t, p.Publish(ctx, tt.v))
				v, _, err := Receive[any](ctx, s)
				require.NoError(t, err)
				if tt.want != nil {
					require.Equal(t, tt.want, v)
				}
			})
		})
	}
}

// A panic in a type's own encoding is the type's: it comes out of Publish as it is, and nothing is
// held.
func TestPanicsOfTypesAreTheirs(t *testing.T) {
	bothForms(t, func(t *testing.T, p *Publisher, s *Subscription) {
		ctx := soon(t)
		mine := errors.New("mine")
		for _, v := range []any{panics{mine}, &panics{mine}, []any{1, panics{mine}}, map[string]panics{"a": {mine}}, struct{ P panics }{panics{mine}}} {
			require.PanicsWithValue(t, mine, func() { p.Publish(ctx, v) })
		}
		require.Panics(t, func() { p.Publish(ctx, handsOver{uintptr(1)}) }, "who calls the package itself")
		var nothing context.CancelFunc
		require.Panics(t, func() { p.Publish(ctx, handsOver{panics{nothing}}) })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Publish(ctx, leaves{})
			t.Error("the goroutine has ended")
		}()
		<-ended
		require.NoError(t, p.Publish(ctx, bytes.Repeat([]byte{1}, 100)))
		v, _, err := Receive[[]byte](ctx, s)
		require.NoError(t, err)
		require.Len(t, v, 100)
	})
}
