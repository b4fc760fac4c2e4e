package decode

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"sync"

	"shmbus/internal/wire"
)

// An Error says where in the frame a value could not be decoded, and why.
type Error struct {
	Path string // as levels[2].bid; empty for the frame itself
	Err  error
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// maxPath bounds a path: keys come from the frame.
const maxPath = 200

// within adds where a value lies to the error of decoding it.
func within(err error, step string) error {
	e, ok := err.(*Error)
	if !ok {
		e = &Error{Err: err}
	}
	switch {
	case len(e.Path) > maxPath:
	case len(e.Path)+len(step) > maxPath:
		e.Path = "…" + e.Path
	case e.Path == "" || e.Path[0] == '[':
		e.Path = step + e.Path
	default:
		e.Path = step + "." + e.Path
	}
	return e
}

// maxShown is how many bytes of a text an error shows.
const maxShown = 40

func clip(s string) string {
	if len(s) > maxShown {
		return s[:maxShown] + "…"
	}
	return s
}

func withinIndex(err error, i int) error { return within(err, "["+strconv.Itoa(i)+"]") }

// decoder reads one frame. Counts and depth are bounded as it goes, also should the bytes change
// meanwhile.
type decoder struct {
	b       []byte
	pos     int
	at      int // where the last head began
	owed    int // values that open containers have announced and that have not come yet
	depth   int
	checked bool     // all that follows pos is well-formed
	dict    []string // strings that the frame has interned

	source source // what a type's own decoder reads
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// Into decodes the frame b into v, a pointer.
func Into(b []byte, v any) error {
	p := reflect.ValueOf(v)
	switch {
	case p.Kind() != reflect.Pointer:
		return fmt.Errorf("decode into %T: a pointer is needed", v)
	case p.IsNil():
		return fmt.Errorf("decode into a nil %T", v)
	}
	d := decoders.Get().(*decoder)
	d.b = b
	err := decoderOf(p.Type().Elem())(d, p.Elem())
	if err == nil && d.pos < len(b) {
		err = fmt.Errorf("%w: %d bytes", wire.ErrTrailing, len(b)-d.pos)
	}
	*d = decoder{}
	decoders.Put(d)
	return err
}

// head reads the head of the next value.
func (d *decoder) head() (wire.Head, error) {
	d.at = d.pos
	if d.pos >= len(d.b) {
		return wire.Head{}, io.ErrUnexpectedEOF
	}
	h, size, err := wire.ReadHead(d.b[d.pos:])
	d.pos += size
	return h, err
}

// null reports whether the next value is nil, and passes over it.
func (d *decoder) null() bool {
	if d.pos < len(d.b) && d.b[d.pos] == 0xc0 {
		d.pos++
		return true
	}
	return false
}

// payload passes over the n bytes that a head has announced.
func (d *decoder) payload(n uint64) ([]byte, error) {
	if n > uint64(len(d.b)-d.pos) {
		return nil, io.ErrUnexpectedEOF
	}
	p := d.b[d.pos : d.pos+int(n) : d.pos+int(n)]
	d.pos += int(n)
	return p, nil
}

// enter begins a container of n elements, each of so many values. Memory may be made for all of
// them then: all containers that are open at one time have announced no more values than there are
// bytes left. Each element is to be counted by next.
func (d *decoder) enter(n, values uint64) (int, error) {
	if d.depth == wire.MaxDepth {
		return 0, wire.ErrTooDeep
	}
	if values*n > uint64(max(0, len(d.b)-d.pos-d.owed)) {
		return 0, io.ErrUnexpectedEOF
	}
	d.depth++
	d.owed += int(values * n)
	return int(n), nil
}

func (d *decoder) next(values int) { d.owed -= values }

func (d *decoder) leave() { d.depth-- }

// skip passes over the next value.
func (d *decoder) skip() error {
	end, err := wire.Pass(d.b, d.pos, d.depth)
	if err == nil {
		d.pos = end
	}
	return err
}

// text returns what the next value says as a string, until the frame changes: of a str, of a bin,
// of an interned string. It is not ok if the value is nothing of that kind, whose head h then is.
func (d *decoder) text() (b []byte, h wire.Head, ok bool, err error) {
	if h, err = d.head(); err != nil {
		return nil, h, false, err
	}
	switch h.Kind {
	case wire.Str, wire.Bin:
		b, err = d.payload(h.N)
		return b, h, err == nil, err
	case wire.Ext:
		if h.Ext == extInterned {
			s, ok, err := d.interned(h)
			return []byte(s), h, ok, err
		}
	}
	return nil, h, false, nil
}

// extInterned is the type of an ext that stands for a string which the frame had before.
const extInterned = -128

// interned returns the string that an ext stands for, by its index.
func (d *decoder) interned(h wire.Head) (s string, ok bool, err error) {
	p, err := d.payload(h.N)
	if err != nil {
		return "", false, err
	}
	i := uint64(0)
	for _, c := range p {
		i = i<<8 | uint64(c)
	}
	if len(p) > 4 || i >= uint64(len(d.dict)) {
		return "", false, fmt.Errorf("string %d was never interned", i)
	}
	return d.dict[i], true, nil
}

// misfit says that the value whose head was read last does not fit its place.
func (d *decoder) misfit(t reflect.Type) error {
	return &Error{Err: fmt.Errorf("%s does not fit %v", d.describe(), t)}
}

// describe names the value whose head was read last.
func (d *decoder) describe() string {
	d.pos = d.at
	h, err := d.head()
	if err != nil {
		return "a value"
	}
	switch h.Kind {
	case wire.Nil:
		return "nil"
	case wire.False:
		return "false"
	case wire.True:
		return "true"
	case wire.Uint:
		return strconv.FormatUint(h.N, 10)
	case wire.Int:
		return strconv.FormatInt(int64(h.N), 10)
	case wire.Float32:
		return strconv.FormatFloat(floatOf(h), 'g', -1, 32)
	case wire.Float64:
		return strconv.FormatFloat(floatOf(h), 'g', -1, 64)
	case wire.Str:
		text := d.b[d.pos:]
		if h.N <= uint64(len(text)) {
			text = text[:h.N]
		}
		return "the string " + clip(strconv.Quote(string(text[:min(len(text), 2*maxShown)])))
	case wire.Bin:
		return fmt.Sprintf("a bin of %d bytes", h.N)
	case wire.Ext:
		if text, ok := d.number(h); ok {
			return clip(string(text))
		}
		return fmt.Sprintf("an ext of type %d", h.Ext)
	case wire.Array:
		return fmt.Sprintf("an array of %d", h.N)
	case wire.Map:
		return fmt.Sprintf("a map of %d", h.N)
	}
	return "a value"
}
