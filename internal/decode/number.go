package decode

import (
	"math"
	"math/big"
	"reflect"
	"strconv"

	"shmbus/internal/wire"
)

func floatOf(h wire.Head) float64 {
	if h.Kind == wire.Float32 {
		return float64(math.Float32frombits(uint32(h.N)))
	}
	return math.Float64frombits(h.N)
}

// number returns the text of a number that is carried as text, whose head h is. Anything else it
// leaves.
func (d *decoder) number(h wire.Head) (text []byte, ok bool) {
	if h.Kind != wire.Ext || h.Ext != wire.ExtNumber || h.N > uint64(len(d.b)-d.pos) {
		return nil, false
	}
	text = d.b[d.pos : d.pos+int(h.N)]
	if !wire.IsNumber(text) {
		return nil, false
	}
	d.pos += len(text)
	return text, true
}

// integer returns the whole number that a value is, as a Uint or below 0 as an Int. A float counts
// if it is whole.
func (d *decoder) integer(h wire.Head) (n uint64, k wire.Kind, ok bool) {
	switch h.Kind {
	case wire.Uint:
		return h.N, wire.Uint, true
	case wire.Int:
		if int64(h.N) >= 0 {
			return h.N, wire.Uint, true
		}
		return h.N, wire.Int, true
	case wire.Nil:
		return 0, wire.Uint, true
	case wire.Float32, wire.Float64:
		f := floatOf(h)
		switch {
		case f != math.Trunc(f):
		case f >= 0 && f < 1<<64:
			return uint64(f), wire.Uint, true
		case f < 0 && f >= -1<<63:
			return uint64(int64(f)), wire.Int, true
		}
		return 0, 0, false
	}
	if text, is := d.number(h); is {
		if r, is := wire.Rational(text); is && r.IsInt() {
			switch i := r.Num(); {
			case i.IsUint64():
				return i.Uint64(), wire.Uint, true
			case i.IsInt64():
				return uint64(i.Int64()), wire.Int, true
			}
		}
	}
	return 0, 0, false
}

func decodeInt(d *decoder, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	n, k, ok := d.integer(h)
	if ok && (k == wire.Int || n <= math.MaxInt64) && !v.OverflowInt(int64(n)) {
		v.SetInt(int64(n))
		return nil
	}
	return d.other(h.Kind, v)
}

func decodeUint(d *decoder, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	n, k, ok := d.integer(h)
	if ok && k == wire.Uint && !v.OverflowUint(n) {
		v.SetUint(n)
		return nil
	}
	return d.other(h.Kind, v)
}

// decodeFloat takes an integer only as it is; a float, which is the nearest to something already,
// is rounded to the nearest once more if the place is a float32, and so is a decimal text.
func decodeFloat(d *decoder, v reflect.Value) error {
	h, err := d.head()
	if err != nil {
		return err
	}
	round := func(f float64) float64 {
		if v.Kind() == reflect.Float32 {
			return float64(float32(f))
		}
		return f
	}
	switch h.Kind {
	case wire.Nil:
		v.SetFloat(0)
		return nil
	case wire.Float32, wire.Float64:
		if f := floatOf(h); !math.IsInf(round(f), 0) || math.IsInf(f, 0) {
			v.SetFloat(f)
			return nil
		}
	case wire.Uint:
		if f := round(float64(h.N)); f < 1<<64 && uint64(f) == h.N {
			v.SetFloat(f)
			return nil
		}
	case wire.Int:
		if f := round(float64(int64(h.N))); f < 1<<63 && int64(f) == int64(h.N) {
			v.SetFloat(f)
			return nil
		}
	case wire.Ext:
		text, ok := d.number(h)
		if !ok {
			break
		}
		whole := true
		for _, c := range text {
			whole = whole && c != '.' && c != 'e' && c != 'E'
		}
		f, err := strconv.ParseFloat(string(text), v.Type().Bits())
		if err == nil && (!whole || same(f, text)) {
			v.SetFloat(f)
			return nil
		}
	}
	return d.other(h.Kind, v)
}

// same reports whether f is the integer that text writes.
func same(f float64, text []byte) bool {
	i, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		return false
	}
	n, _ := new(big.Float).SetFloat64(f).Int(nil)
	return n.Cmp(i) == 0
}

// decodeNumberText is for json.Number.
func decodeNumberText(d *decoder, v reflect.Value) error {
	b, h, ok, err := d.text()
	switch {
	case err != nil:
		return err
	case ok && len(b) > 0 && !wire.IsNumber(b): // the zero value is empty
		return d.misfit(v.Type())
	case ok:
	case h.Kind == wire.Nil:
		b = nil
	default:
		if b, ok = d.digits(h); !ok {
			return d.other(h.Kind, v)
		}
	}
	v.SetString(string(b))
	return nil
}

// digits returns a number as a text of JSON's grammar.
func (d *decoder) digits(h wire.Head) (text []byte, ok bool) {
	switch h.Kind {
	case wire.Uint:
		return strconv.AppendUint(nil, h.N, 10), true
	case wire.Int:
		return strconv.AppendInt(nil, int64(h.N), 10), true
	case wire.Float32, wire.Float64:
		bits := 64
		if h.Kind == wire.Float32 {
			bits = 32
		}
		f := floatOf(h)
		return strconv.AppendFloat(nil, f, 'g', -1, bits), !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return d.number(h)
}

// decodeBig is for big.Int, big.Rat and big.Float, which the msgpack package writes as their text.
func decodeBig(d *decoder, v reflect.Value) error {
	b, h, ok, err := d.text()
	if err != nil {
		return err
	}
	if !ok && h.Kind == wire.Nil {
		v.SetZero()
		return nil
	}
	if !ok {
		if h.Kind == wire.Float64 || h.Kind == wire.Float32 {
			if f, is := v.Addr().Interface().(*big.Float); is && !math.IsNaN(floatOf(h)) {
				f.SetFloat64(floatOf(h))
				return nil
			}
			r, is := new(big.Rat), !math.IsNaN(floatOf(h)) && !math.IsInf(floatOf(h), 0)
			if is {
				r.SetFloat64(floatOf(h))
			}
			if is && setBig(v, r, nil) {
				return nil
			}
			return d.misfit(v.Type())
		}
		if b, ok = d.digits(h); !ok {
			return d.other(h.Kind, v)
		}
	}
	if r, ok := wire.Rational(b); ok && setBig(v, r, b) {
		return nil
	}
	if f, ok := v.Addr().Interface().(*big.Float); ok &&
		(string(b) == "Inf" || string(b) == "+Inf" || string(b) == "-Inf") {
		f.SetInf(b[0] == '-')
		return nil
	}
	if r, ok := v.Addr().Interface().(*big.Rat); ok && fraction(b) {
		if _, ok := r.SetString(string(b)); ok {
			return nil
		}
	}
	return d.misfit(v.Type())
}

// fraction reports whether b is two integers with a slash between them, as big.Rat writes itself,
// and not too long to be read.
func fraction(b []byte) bool {
	if len(b) > 10_000 {
		return false
	}
	slashes := 0
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9' || c == '-' && i == 0:
		case c == '/':
			slashes++
		default:
			return false
		}
	}
	return slashes == 1
}

// setBig sets v to r, which text writes. A big.Float of no precision gets one that no digit is lost
// with, if r is whole.
func setBig(v reflect.Value, r *big.Rat, text []byte) bool {
	switch p := v.Addr().Interface().(type) {
	case *big.Rat:
		p.Set(r)
	case *big.Int:
		if !r.IsInt() {
			return false
		}
		p.Set(r.Num())
	case *big.Float:
		if p.Prec() == 0 {
			p.SetPrec(uint(max(64, 4*len(text), r.Num().BitLen())))
		}
		p.SetRat(r)
		if p.Sign() == 0 && len(text) > 0 && text[0] == '-' {
			p.Neg(p)
		}
	}
	return true
}
