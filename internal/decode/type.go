package decode

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/internal/wire"
)

// A decodeFunc decodes the next value into v, which is settable.
type decodeFunc func(d *decoder, v reflect.Value) error

var (
	known sync.Map // of reflect.Type to decodeFunc

	timeType   = reflect.TypeFor[time.Time]()
	numberType = reflect.TypeFor[json.Number]()
	stringType = reflect.TypeFor[string]()
	errorType  = reflect.TypeFor[error]()

	customDecoder     = reflect.TypeFor[msgpack.CustomDecoder]()
	unmarshaler       = reflect.TypeFor[msgpack.Unmarshaler]()
	binaryUnmarshaler = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	textUnmarshaler   = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func decoderOf(t reflect.Type) decodeFunc {
	if f, ok := known.Load(t); ok {
		return f.(decodeFunc)
	}
	// A type that contains itself finds this one, which waits until the real one is there.
	var ready sync.WaitGroup
	var f decodeFunc
	ready.Add(1)
	early, loaded := known.LoadOrStore(t, decodeFunc(func(d *decoder, v reflect.Value) error {
		ready.Wait()
		return f(d, v)
	}))
	if loaded {
		return early.(decodeFunc)
	}
	f = newDecoder(t)
	ready.Done()
	known.Store(t, f)
	return f
}

func newDecoder(t reflect.Type) decodeFunc {
	switch t {
	case timeType:
		return decodeTime
	case numberType:
		return decodeNumberText
	case reflect.TypeFor[big.Int](), reflect.TypeFor[big.Rat](), reflect.TypeFor[big.Float]():
		return decodeBig
	}
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		switch p := reflect.PointerTo(t); {
		case p.Implements(customDecoder):
			return decodeCustom
		case p.Implements(unmarshaler):
			return decodeUnmarshaler
		case p.Implements(binaryUnmarshaler), p.Implements(textUnmarshaler):
			return textDecoder(p)
		}
	}
	switch t.Kind() {
	case reflect.Bool:
		return decodeBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return decodeInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return decodeUint
	case reflect.Float32, reflect.Float64:
		return decodeFloat
	case reflect.String:
		return decodeString
	case reflect.Slice:
		return sliceDecoder(t)
	case reflect.Array:
		return arrayDecoder(t)
	case reflect.Map:
		return mapDecoder(t)
	case reflect.Struct:
		return structDecoder(t)
	case reflect.Pointer:
		return pointerDecoder(t)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return decodeAny
		}
		return decodeInterface
	}
	return func(*decoder, reflect.Value) error { return fmt.Errorf("%v cannot be decoded into", t) }
}

func decodeBool(d *decoder, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	switch h.Kind {
	case wire.True, wire.False, wire.Nil:
		v.SetBool(h.Kind == wire.True)
		return nil
	}
	return d.other(h.Kind, v)
}

func decodeString(d *decoder, v reflect.Value) error {
	s, k, ok, err := d.str()
	switch {
	case err != nil:
		return err
	case ok:
		v.SetString(s)
		return nil
	}
	return d.other(k, v)
}

// str returns the next value as a string, nil as an empty one. It is not ok if the value is of a
// kind that is no string.
func (d *decoder) str() (s string, k wire.Kind, ok bool, err error) {
	b, h, ok, err := d.text()
	if err != nil || ok {
		return string(b), h.Kind, ok, err
	}
	if h.Kind == wire.Nil {
		return "", h.Kind, true, nil
	}
	b, ok = d.number(h)
	return string(b), h.Kind, ok, nil
}

func pointerDecoder(t reflect.Type) decodeFunc {
	elem := decoderOf(t.Elem())
	return func(d *decoder, v reflect.Value) error {
		if d.null() {
			v.SetZero()
			return nil
		}
		if d.depth == wire.MaxDepth { // a pointer type may point to itself
			return wire.ErrTooDeep
		}
		d.depth++
		if v.IsNil() {
			v.Set(reflect.New(t.Elem()))
		}
		err := elem(d, v.Elem())
		d.depth--
		return err
	}
}

// decodeInterface is for interfaces with methods: what they point to, or an error, is decoded.
func decodeInterface(d *decoder, v reflect.Value) error {
	if d.null() {
		v.SetZero()
		return nil
	}
	if v.Kind() == reflect.Interface && v.Elem().Kind() == reflect.Pointer && !v.Elem().IsNil() {
		return decoderOf(v.Elem().Type().Elem())(d, v.Elem().Elem())
	}
	if v.Type() == errorType {
		var s string
		if err := decodeString(d, reflect.ValueOf(&s).Elem()); err != nil {
			return err
		}
		v.Set(reflect.ValueOf(errors.New(s)))
		return nil
	}
	if _, err := d.head(); err != nil {
		return err
	}
	return d.misfit(v.Type())
}

func decodeTime(d *decoder, v reflect.Value) error {
	b, h, ok, err := d.text()
	if err != nil {
		return err
	}
	if ok && h.Kind == wire.Str {
		t, err := time.Parse(time.RFC3339Nano, string(b))
		if err != nil {
			return d.misfit(timeType)
		}
		v.Set(reflect.ValueOf(t))
		return nil
	}
	if h.Kind == wire.Nil {
		v.SetZero()
		return nil
	}
	if h.Kind == wire.Ext {
		p, err := d.payload(h.N)
		if err != nil {
			return err
		}
		if t, ok := timeOf(h.Ext, p); ok {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	}
	return d.misfit(timeType)
}

// timeOf reads a timestamp. 13 is the type that some encoders for JavaScript give it.
func timeOf(typ int8, payload []byte) (time.Time, bool) {
	sec, nsec, ok := wire.Timestamp(payload)
	if !ok || typ != wire.ExtTime && typ != 13 {
		return time.Time{}, false
	}
	t := time.Unix(sec, int64(nsec))
	if t.IsZero() {
		t = t.UTC() // the zero time is in no zone
	}
	return t, true
}

// textDecoder is for types that read themselves from bytes or from text: whichever the frame has.
func textDecoder(p reflect.Type) decodeFunc {
	binary, text := p.Implements(binaryUnmarshaler), p.Implements(textUnmarshaler)
	return func(d *decoder, v reflect.Value) error {
		b, h, ok, err := d.text()
		switch {
		case err != nil:
			return err
		case !ok && h.Kind == wire.Nil:
			v.SetZero()
			return nil
		case !ok:
			return d.other(h.Kind, v)
		case binary && (h.Kind == wire.Bin || !text):
			err = v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(bytes.Clone(b))
		default:
			err = v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(bytes.Clone(b))
		}
		if err != nil {
			return fmt.Errorf("%v: %w", v.Type(), err)
		}
		return nil
	}
}

func decodeUnmarshaler(d *decoder, v reflect.Value) error {
	if d.null() {
		v.SetZero()
		return nil
	}
	if done, err := d.registered(v); done || err != nil {
		return err
	}
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	return v.Addr().Interface().(msgpack.Unmarshaler).UnmarshalMsgpack(bytes.Clone(d.b[start:d.pos]))
}

// decodeCustom lets a type read as many values as it likes. All that follows in the frame is
// checked before.
func decodeCustom(d *decoder, v reflect.Value) error {
	if d.null() {
		v.SetZero()
		return nil
	}
	if done, err := d.registered(v); done || err != nil {
		return err
	}
	if !d.checked {
		if _, err := wire.CheckAll(d.b[d.pos:]); err != nil {
			return err
		}
		d.checked = true
	}
	return d.own(d.b[d.pos:], v.Addr().Interface().(msgpack.CustomDecoder).DecodeMsgpack)
}

// other is for a value, whose head was read last, of a kind that v's own is not: an ext of a type
// that is registered for v's, or an error.
func (d *decoder) other(k wire.Kind, v reflect.Value) error {
	if k == wire.Ext {
		at := d.at
		d.pos = at
		if done, err := d.registered(v); done || err != nil {
			return err
		}
		d.at = at
	}
	return d.misfit(v.Type())
}

// registered decodes the next value if it is an ext of a type that v's type is registered for with
// the msgpack package.
func (d *decoder) registered(v reflect.Value) (done bool, err error) {
	start := d.pos
	h, err := d.head()
	d.pos = start
	if err != nil || h.Kind != wire.Ext || h.Ext == wire.ExtTime || h.Ext == extInterned {
		return false, err
	}
	x, ok, err := d.library()
	if err != nil {
		return false, err
	}
	if ok && x != nil {
		for e := reflect.ValueOf(x); ; e = e.Elem() {
			if e.Type().AssignableTo(v.Type()) {
				v.Set(e)
				return true, nil
			}
			if e.Kind() != reflect.Pointer || e.IsNil() {
				break
			}
		}
	}
	d.pos = start
	return false, nil
}

// library has the msgpack package decode the next value, an ext. It is not ok, and the ext is
// passed, if no type is registered for it.
func (d *decoder) library() (v any, ok bool, err error) {
	start := d.pos
	if err := d.skip(); err != nil {
		return nil, false, err
	}
	end := d.pos
	d.pos = start
	err = d.own(d.b[start:end], func(dec *msgpack.Decoder) (err error) {
		v, err = dec.DecodeInterface()
		return err
	})
	d.pos = end
	if err != nil && strings.HasPrefix(err.Error(), "msgpack: unknown ext id") {
		return nil, false, nil
	}
	return v, err == nil, err
}
