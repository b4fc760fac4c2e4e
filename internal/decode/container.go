package decode

import (
	"fmt"
	"reflect"

	"shmbus/internal/wire"
)

func sliceDecoder(t reflect.Type) decodeFunc {
	elem := decoderOf(t.Elem())
	bytes := t.Elem().Kind() == reflect.Uint8
	return func(d *decoder, v reflect.Value) error {
		h, err := d.head()
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.Nil:
			v.SetZero()
			return nil
		case wire.Array:
			return d.slice(v, h.N, elem)
		case wire.Str, wire.Bin:
			if bytes {
				p, err := d.payload(h.N)
				if err == nil {
					v.SetBytes(append(make([]byte, 0, len(p)), p...))
				}
				return err
			}
		}
		return d.other(h.Kind, v)
	}
}

func (d *decoder) slice(v reflect.Value, count uint64, elem decodeFunc) error {
	n, err := d.enter(count, 1)
	if err != nil {
		return err
	}
	if v.IsNil() || v.Cap() < n {
		v.Set(reflect.MakeSlice(v.Type(), n, n))
	} else {
		v.SetLen(n)
		v.Slice(0, n).Clear()
	}
	for i := range n {
		d.next(1)
		if err := elem(d, v.Index(i)); err != nil {
			return withinIndex(err, i)
		}
	}
	d.leave()
	return nil
}

// arrayDecoder is for arrays, which a shorter array fills with zeros; a longer one does not fit.
func arrayDecoder(t reflect.Type) decodeFunc {
	elem := decoderOf(t.Elem())
	bytes := t.Elem().Kind() == reflect.Uint8
	return func(d *decoder, v reflect.Value) error {
		h, err := d.head()
		if err != nil {
			return err
		}
		switch {
		case h.Kind == wire.Nil:
			v.SetZero()
			return nil
		case h.Kind == wire.Array && h.N <= uint64(v.Len()):
			n, err := d.enter(h.N, 1)
			if err != nil {
				return err
			}
			v.SetZero()
			for i := range n {
				d.next(1)
				if err := elem(d, v.Index(i)); err != nil {
					return withinIndex(err, i)
				}
			}
			d.leave()
			return nil
		case bytes && (h.Kind == wire.Str || h.Kind == wire.Bin) && h.N <= uint64(v.Len()):
			p, err := d.payload(h.N)
			if err == nil {
				v.SetZero()
				copy(v.Bytes(), p)
			}
			return err
		}
		return d.other(h.Kind, v)
	}
}

// mapDecoder adds the pairs to the map that is there, if any. Of equal keys the last one counts.
func mapDecoder(t reflect.Type) decodeFunc {
	key, elem := decoderOf(t.Key()), decoderOf(t.Elem())
	pairs := func(d *decoder, v reflect.Value, n int) error {
		for range n {
			k, e := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			at := d.pos
			d.next(1)
			if err := key(d, k); err != nil {
				return within(err, "key")
			}
			if b, ok := bytesIn(k); ok {
				k.Set(reflect.ValueOf(string(b)))
			}
			if !k.Comparable() {
				d.at = at
				return fmt.Errorf("%s cannot be a key of %v", d.describe(), t)
			}
			d.next(1)
			if err := elem(d, e); err != nil {
				return within(err, keyName(k))
			}
			v.SetMapIndex(k, e)
		}
		return nil
	}
	switch {
	case t == reflect.TypeFor[map[string]string]():
		pairs = func(d *decoder, v reflect.Value, n int) error {
			m := v.Interface().(map[string]string)
			for range n {
				k, err := d.key()
				if err != nil {
					return err
				}
				d.next(1)
				s, _, ok, err := d.str()
				if err == nil && !ok {
					err = d.misfit(stringType)
				}
				if err != nil {
					return within(err, k)
				}
				m[k] = s
			}
			return nil
		}
	case t == reflect.TypeFor[map[string]any]():
		pairs = func(d *decoder, v reflect.Value, n int) error {
			m := v.Interface().(map[string]any)
			for range n {
				k, err := d.key()
				if err != nil {
					return err
				}
				d.next(1)
				if m[k], err = d.any(); err != nil {
					return within(err, k)
				}
			}
			return nil
		}
	}
	return func(d *decoder, v reflect.Value) error {
		h, err := d.head()
		if err != nil {
			return err
		}
		if h.Kind == wire.Nil {
			v.SetZero()
			return nil
		}
		if h.Kind != wire.Map {
			return d.other(h.Kind, v)
		}
		n, err := d.enter(h.N, 2)
		if err != nil {
			return err
		}
		if v.IsNil() {
			v.Set(reflect.MakeMapWithSize(t, n))
		}
		err = pairs(d, v, n)
		d.leave()
		return err
	}
}

// bytesIn returns the bytes that an any holds.
func bytesIn(k reflect.Value) ([]byte, bool) {
	if k.Kind() != reflect.Interface || k.NumMethod() > 0 {
		return nil, false
	}
	b, ok := k.Interface().([]byte)
	return b, ok
}

// key reads a key that is to be a string.
func (d *decoder) key() (string, error) {
	d.next(1)
	b, _, ok, err := d.text()
	if err == nil && !ok {
		err = within(d.misfit(stringType), "key")
	}
	return string(b), err
}

func keyName(k reflect.Value) string {
	if k.Kind() == reflect.String {
		return k.String()
	}
	return fmt.Sprintf("[%v]", k)
}
