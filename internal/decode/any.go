package decode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/wire"
)

// decodeAny is for values of type any. One that holds a pointer is decoded into what that points
// to.
func decodeAny(d *decoder, v reflect.Value) error {
	if e := v.Elem(); e.Kind() == reflect.Pointer && !e.IsNil() &&
		!(d.pos < len(d.b) && d.b[d.pos] == 0xc0) {
		if d.depth == wire.MaxDepth {
			return wire.ErrTooDeep
		}
		d.depth++
		err := decoderOf(e.Type().Elem())(d, e.Elem())
		d.depth--
		return err
	}
	x, err := d.any()
	if err != nil {
		return err
	}
	if x == nil {
		v.SetZero()
	} else {
		v.Set(reflect.ValueOf(x))
	}
	return nil
}

// any returns the next value as nil, bool, int64, uint64 where int64 is too small, float64, string,
// []byte, time.Time, []any, map[string]any or, with keys that are no strings, map[any]any. A number
// that was carried as text is an int64, a uint64 or a float64 if one of these is that number, and
// otherwise a json.Number. An ext of a type that nobody has registered is a msgpack.RawMessage.
func (d *decoder) any() (any, error) {
	h, err := d.head()
	if err != nil {
		return nil, err
	}
	switch h.Kind {
	case wire.Nil:
		return nil, nil
	case wire.False, wire.True:
		return h.Kind == wire.True, nil
	case wire.Uint:
		return unsigned(h.N), nil
	case wire.Int:
		return int64(h.N), nil
	case wire.Float32, wire.Float64:
		return floatOf(h), nil
	case wire.Str:
		p, err := d.payload(h.N)
		return string(p), err
	case wire.Bin:
		p, err := d.payload(h.N)
		return append(make([]byte, 0, len(p)), p...), err
	case wire.Array:
		return d.anyArray(h.N)
	case wire.Map:
		return d.anyMap(h.N)
	}
	return d.anyExt(h)
}

func unsigned(n uint64) any {
	if int64(n) >= 0 {
		return int64(n)
	}
	return n
}

func (d *decoder) anyArray(count uint64) (any, error) {
	n, err := d.enter(count, 1)
	if err != nil {
		return nil, err
	}
	list := make([]any, n)
	for i := range list {
		d.next(1)
		if list[i], err = d.any(); err != nil {
			return nil, withinIndex(err, i)
		}
	}
	d.leave()
	return list, nil
}

func (d *decoder) anyMap(count uint64) (any, error) {
	n, err := d.enter(count, 2)
	if err != nil {
		return nil, err
	}
	m := make(map[string]any, n)
	for i := range n {
		at := d.pos
		d.next(1)
		b, _, ok, err := d.text()
		if err != nil {
			return nil, err
		}
		if !ok {
			d.pos = at
			d.owed++
			return d.otherMap(m, n-i)
		}
		key := string(b)
		d.next(1)
		if m[key], err = d.any(); err != nil {
			return nil, within(err, key)
		}
	}
	d.leave()
	return m, nil
}

// otherMap goes on with the n pairs that are left of a map in which a key is no string.
func (d *decoder) otherMap(begun map[string]any, n int) (any, error) {
	m := make(map[any]any, n+len(begun))
	for k, v := range begun {
		m[k] = v
	}
	for range n {
		at := d.pos
		d.next(1)
		k, err := d.any()
		if err != nil {
			return nil, within(err, "key")
		}
		if b, ok := k.([]byte); ok {
			k = string(b)
		}
		if k != nil && !reflect.TypeOf(k).Comparable() {
			d.at = at
			return nil, &Error{Err: fmt.Errorf("%s cannot be a key of %T", d.describe(), m)}
		}
		d.next(1)
		if m[k], err = d.any(); err != nil {
			return nil, within(err, fmt.Sprintf("[%v]", k))
		}
	}
	d.leave()
	return m, nil
}

func (d *decoder) anyExt(h wire.Head) (any, error) {
	if text, ok := d.number(h); ok {
		switch n := wire.Nearest(text); {
		case !n.Fits:
			return json.Number(text), nil
		case n.Kind == wire.Uint:
			return unsigned(n.Bits), nil
		case n.Kind == wire.Int:
			return int64(n.Bits), nil
		default:
			return n.Float(), nil
		}
	}
	if h.Ext == extInterned && len(d.dict) > 0 {
		s, _, err := d.interned(h)
		return s, err
	}
	at := d.at
	p, err := d.payload(h.N)
	if err != nil {
		return nil, err
	}
	if t, ok := timeOf(h.Ext, p); ok && h.Ext == wire.ExtTime {
		return t, nil
	}
	end := d.pos
	d.pos = at
	if h.Ext != wire.ExtTime && h.Ext != extInterned {
		if v, ok, err := d.library(); ok || err != nil {
			return v, err
		}
	}
	d.pos = end
	return msgpack.RawMessage(bytes.Clone(d.b[at:end])), nil
}
