package decode

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/tagparser/v2"

	"shmbus/internal/wire"
)

// A field is a place in a struct, under the name that the msgpack package's encoder gives it.
type field struct {
	name   string
	index  []int
	decode decodeFunc
}

type fields struct {
	list   []*field
	byName map[string]*field // with aliases
}

func (fs *fields) add(f *field) {
	fs.list = append(fs.list, f)
	fs.byName[f.name] = f
}

// fieldsOf names the fields of a struct by their msgpack tags, or their json tags where they have
// none. The rules, of embedded structs above all, are those of the msgpack package, whose encoder
// writes the names.
func fieldsOf(t reflect.Type, outer ...reflect.Type) *fields {
	fs := &fields{byName: map[string]*field{}}
	outer = append(outer, t)
	for i := range t.NumField() {
		sf := t.Field(i)
		text := sf.Tag.Get("msgpack")
		json := text == ""
		if json {
			text = sf.Tag.Get("json")
		}
		tag := tagparser.Parse(text)
		if tag.Name == "-" || sf.PkgPath != "" && !sf.Anonymous {
			continue
		}
		f := &field{name: tag.Name, index: sf.Index}
		if f.name == "" {
			f.name = sf.Name
		}
		switch {
		case tag.HasOption("intern"):
			f.decode = decodeInterned
		case json && tag.HasOption("string"):
			f.decode = quotedDecoder(sf.Type)
		default:
			f.decode = decoderOf(sf.Type)
		}
		if sf.PkgPath != "" {
			f.decode = hiddenDecoder(sf.Type, f.decode)
		}
		if sf.Anonymous && !tag.HasOption("noinline") &&
			fs.inline(sf, tag.HasOption("inline"), outer) {
			fs.byName[f.name] = f
			continue
		}
		fs.add(f)
		if alias, ok := tag.Options["alias"]; ok {
			fs.byName[alias] = f
		}
	}
	return fs
}

// inline takes the fields of an embedded struct as if they were the struct's own, unless it has a
// decoder of its own or, if that was not asked for, one of its names is taken.
func (fs *fields) inline(sf reflect.StructField, always bool, outer []reflect.Type) bool {
	t := sf.Type
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !always && codesItself(t) || slices.Contains(outer, t) {
		return false
	}
	inner := fieldsOf(t, outer...).list
	for _, f := range inner {
		if fs.byName[f.name] != nil && !always {
			return false
		}
	}
	for _, f := range inner {
		if fs.byName[f.name] == nil {
			f.index = append([]int{sf.Index[0]}, f.index...)
			fs.add(f)
		}
	}
	return true
}

// hiddenDecoder is for embedded types that are not exported. Of these only the fields of a struct
// can be set.
func hiddenDecoder(t reflect.Type, decode decodeFunc) decodeFunc {
	fields := t.Kind() == reflect.Struct && !codesItself(t)
	return func(d *decoder, v reflect.Value) error {
		at := d.pos
		h, err := d.head()
		if err != nil {
			return err
		}
		switch {
		case h.Kind == wire.Nil && v.IsZero():
			return nil
		case fields && (h.Kind == wire.Map || h.Kind == wire.Array && h.N > 0): // an empty array would set the struct
			d.pos = at
			return decode(d, v)
		}
		return fmt.Errorf("the embedded %v is not exported: %s cannot be put there", t,
			d.describe())
	}
}

var ownCode = []reflect.Type{
	reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.TextMarshaler](),
	customDecoder, unmarshaler, binaryUnmarshaler, textUnmarshaler,
}

func codesItself(t reflect.Type) bool {
	for _, i := range ownCode {
		if reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func structDecoder(t reflect.Type) decodeFunc {
	fields := sync.OnceValue(func() *fields { return fieldsOf(t) })
	return func(d *decoder, v reflect.Value) error {
		h, err := d.head()
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.Nil:
			v.SetZero()
			return nil
		case wire.Map:
			return d.fields(v, h.N, fields())
		case wire.Array:
			return d.row(v, h.N, fields())
		}
		return d.other(h.Kind, v)
	}
}

func (d *decoder) fields(v reflect.Value, count uint64, fs *fields) error {
	n, err := d.enter(count, 2)
	if err != nil {
		return err
	}
	for i := range n {
		d.next(2)
		name, _, ok, err := d.text()
		if err != nil {
			return err
		}
		if !ok {
			return &Error{Err: fmt.Errorf("the key %s is no field of %v: a string is needed",
				d.describe(), v.Type())}
		}
		var f *field
		// Mostly the fields come in their order.
		if i < len(fs.list) && fs.list[i].name == string(name) {
			f = fs.list[i]
		} else if f = fs.byName[string(name)]; f == nil {
			if err := d.skip(); err != nil {
				return within(err, string(name))
			}
			continue
		}
		if err := d.field(v, f); err != nil {
			return within(err, f.name)
		}
	}
	d.leave()
	return nil
}

// row reads a struct that was written as an array, all its fields in their order.
func (d *decoder) row(v reflect.Value, count uint64, fs *fields) error {
	if count == 0 {
		v.SetZero()
		return nil
	}
	if count != uint64(len(fs.list)) {
		return &Error{Err: fmt.Errorf("%s does not fit the %d fields of %v", d.describe(),
			len(fs.list), v.Type())}
	}
	if _, err := d.enter(count, 1); err != nil {
		return err
	}
	for _, f := range fs.list {
		d.next(1)
		if err := d.field(v, f); err != nil {
			return within(err, f.name)
		}
	}
	d.leave()
	return nil
}

func (d *decoder) field(v reflect.Value, f *field) error {
	if len(f.index) == 1 {
		return f.decode(d, v.Field(f.index[0]))
	}
	for i, x := range f.index {
		for i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				if d.null() { // as the encoder writes the fields of one that is not there
					return nil
				}
				if !v.CanSet() {
					return fmt.Errorf("the embedded %v is not exported and cannot be made",
						v.Type())
				}
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(x)
	}
	return f.decode(d, v)
}

// quotedDecoder is for fields whose json tag has the option string: JSON has their numbers and
// booleans in quotes, but the msgpack package's encoder, which does not know the option, writes
// them as they are.
func quotedDecoder(t reflect.Type) decodeFunc {
	plain := decoderOf(t)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.String {
		return plain
	}
	return func(d *decoder, v reflect.Value) error {
		at := d.pos
		b, h, ok, err := d.text()
		if err != nil {
			return err
		}
		if !ok || h.Kind != wire.Str {
			d.pos = at
			return plain(d, v)
		}
		quoted := decoder{depth: d.depth}
		switch {
		case wire.IsNumber(b):
			quoted.b = append(wire.AppendExtHead(nil, wire.ExtNumber, len(b)), b...)
		case string(b) == "true":
			quoted.b = []byte{0xc3}
		case string(b) == "false":
			quoted.b = []byte{0xc2}
		case string(b) == "null":
			quoted.b = []byte{0xc0}
		default:
			return d.misfit(v.Type())
		}
		return plain(&quoted, v)
	}
}

// minInterned is the length from which on the msgpack package's encoder interns a string.
const minInterned = 3

// decodeInterned is for fields with the option intern: their strings may be referred to by what
// follows in the frame.
func decodeInterned(d *decoder, v reflect.Value) error {
	at := d.pos
	b, h, ok, err := d.text()
	if err != nil {
		return err
	}
	if !ok {
		d.pos = at
		return decoderOf(v.Type())(d, v)
	}
	s := string(b)
	if h.Kind != wire.Ext && len(s) >= minInterned {
		d.dict = append(d.dict, s)
	}
	if v.Kind() == reflect.Interface {
		v.Set(reflect.ValueOf(s))
	} else {
		v.SetString(s)
	}
	return nil
}
