package bus

import (
	self "encoding"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/tagparser/v2"

	"shmbus/internal/wire"
)

// The msgpack package's encoder recurses without end for a value that contains itself, which ends
// the process, and panics for some types. Values of types that may contain themselves are looked
// through before they are encoded.

// A valueType is what Publish knows of a Go type.
type valueType struct {
	// err says why no value of the type can be encoded: the encoder would never return.
	err error
	// open says that the depth of a value does not follow from the type, because the type contains
	// interfaces or itself.
	open   bool
	doubt  bool  // the encoder may refuse a value, or panic
	own    bool  // the type has its own code that encodes values
	fields []int // the fields of a struct whose types are open
	copied bool  // a value in an interface is encoded from a copy that has an address
}

var valueTypes sync.Map // of reflect.Type to *valueType

func valueTypeOf(t reflect.Type) *valueType {
	if vt, ok := valueTypes.Load(t); ok {
		return vt.(*valueType)
	}
	vt := &valueType{copied: holdsNamedBytes(t), own: encodesItself(t)}
	vt.visit(t, map[reflect.Type]bool{})
	if t.Kind() == reflect.Struct && vt.err == nil && vt.open {
		for i := range t.NumField() {
			inner := new(valueType)
			if inner.visit(t.Field(i).Type, map[reflect.Type]bool{t: true}); inner.open &&
				encodedField(t.Field(i)) {
				vt.fields = append(vt.fields, i)
			}
		}
	}
	valueTypes.Store(t, vt)
	return vt
}

// visit looks at all types that values of t may contain. seen has the types that were visited; it
// is true for those that contain the current one.
func (vt *valueType) visit(t reflect.Type, seen map[reflect.Type]bool) {
	if within, ok := seen[t]; ok {
		vt.open = vt.open || within
		return
	}
	seen[t] = true
	defer func() { seen[t] = false }()
	if t.Kind() == reflect.Pointer && endless(t) {
		vt.err = fmt.Errorf("%v points to itself", t)
	}
	if vt.err != nil {
		return
	}
	if encodesItself(t) {
		vt.doubt = vt.doubt || embedsLink(t)
		return
	}
	switch t.Kind() {
	case reflect.Interface:
		vt.open = true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		vt.visit(t.Elem(), seen)
	case reflect.Map:
		vt.doubt = vt.doubt || holdsNamedBytes(t.Key()) || holdsNamedBytes(t.Elem())
		vt.visit(t.Key(), seen)
		vt.visit(t.Elem(), seen)
	case reflect.Struct:
		if embedsItself(t, nil) {
			vt.err = fmt.Errorf("%v embeds itself", t)
			return
		}
		for i := range t.NumField() {
			if f := t.Field(i); encodedField(f) {
				vt.doubt = vt.doubt || refused(f) != nil
				vt.visit(f.Type, seen)
			}
		}
	default:
		vt.doubt = vt.doubt || unknown(t.Kind())
	}
}

// unknown reports whether the encoder cannot encode values of a kind.
func unknown(k reflect.Kind) bool {
	switch k {
	case reflect.Uintptr, reflect.Complex64, reflect.Complex128, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	}
	return false
}

// embedsLink reports whether the encoding of a type may be that of an embedded pointer or
// interface, which may be nil.
func embedsLink(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			if k := t.Field(i).Type.Kind(); t.Field(i).Anonymous &&
				(k == reflect.Pointer || k == reflect.Interface) {
				return true
			}
		}
	}
	return false
}

// endless reports whether a pointer type points to pointer types without end.
func endless(t reflect.Type) bool {
	for seen := map[reflect.Type]bool{}; t.Kind() == reflect.Pointer; t = t.Elem() {
		if seen[t] {
			return true
		}
		seen[t] = true
	}
	return false
}

// embedsItself reports whether a struct contains itself by embedding, so that its list of fields
// has no end.
func embedsItself(t reflect.Type, outer []reflect.Type) bool {
	for _, o := range outer {
		if o == t {
			return true
		}
	}
	outer = append(outer, t)
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.Anonymous || !encodedField(f) || fieldTag(f).HasOption("noinline") {
			continue
		}
		e := f.Type
		for e.Kind() == reflect.Pointer && !endless(e) {
			e = e.Elem()
		}
		if e.Kind() == reflect.Struct && (!encodesItself(e) || fieldTag(f).HasOption("inline")) &&
			embedsItself(e, outer) {
			return true
		}
	}
	return false
}

// holdsNamedBytes reports whether a value of the type contains arrays of a named byte type. The
// encoder writes these from their address, and panics if they have none.
func holdsNamedBytes(t reflect.Type) bool {
	if encodesItself(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Array:
		return namedBytes(t) || holdsNamedBytes(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); encodedField(f) && holdsNamedBytes(f.Type) {
				return true
			}
		}
	}
	return false
}

func isBin(t reflect.Type) bool {
	return (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) &&
		t.Elem().Kind() == reflect.Uint8
}

func namedBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8 &&
		t.Elem() != reflect.TypeFor[byte]()
}

func fieldTag(f reflect.StructField) *tagparser.Tag {
	text := f.Tag.Get("msgpack")
	if text == "" {
		text = f.Tag.Get("json")
	}
	return tagparser.Parse(text)
}

func encodedField(f reflect.StructField) bool {
	return (f.PkgPath == "" || f.Anonymous) && fieldTag(f).Name != "-"
}

var ownEncoding = []reflect.Type{
	reflect.TypeFor[msgpack.CustomEncoder](), reflect.TypeFor[msgpack.Marshaler](),
	reflect.TypeFor[self.BinaryMarshaler](), reflect.TypeFor[self.TextMarshaler](),
}

// encodesItself reports whether the type, or a pointer to it, has its own code that encodes values,
// or is the error type.
func encodesItself(t reflect.Type) bool {
	for _, i := range ownEncoding {
		if t.Implements(i) || t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return t == reflect.TypeFor[error]()
}

// A finder looks in a value for parts that cannot be encoded.
type finder struct {
	all bool // also look for parts that the encoder refuses
}

// find returns what is wrong with v, or nil. depth is the number of containers around v, and links
// the number of pointers and interfaces that lead to it in a row.
func (f finder) find(v reflect.Value, depth, links int) error {
	kind := v.Kind()
	if kind == reflect.Invalid || !f.all && (kind <= reflect.Float64 || kind == reflect.String) {
		return nil
	}
	t := v.Type()
	vt := valueTypeOf(t)
	switch {
	case vt.err != nil:
		return vt.err
	case vt.own:
		return f.findMissing(v)
	case !f.all && !vt.open:
		return nil
	case links > wire.MaxDepth:
		return errContainsItself
	}
	switch kind {
	case reflect.Pointer, reflect.Interface:
		return f.find(v.Elem(), depth, links+1)
	case reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		if depth == wire.MaxDepth && !isBin(t) {
			return errContainsItself
		}
	}
	switch kind {
	case reflect.Slice, reflect.Array:
		return f.findInList(v, depth+1)
	case reflect.Map:
		return f.findInMap(v, depth+1)
	case reflect.Struct:
		return f.findInStruct(v, vt, depth+1)
	}
	if unknown(kind) {
		return fmt.Errorf("a %v cannot be encoded", t)
	}
	return nil
}

// findMissing is find for a type with its own encoding. The encoding may be that of an embedded
// pointer or interface; findMissing returns an error if that is nil.
func (f finder) findMissing(v reflect.Value) error {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !f.all || v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		e, sf := v.Field(i), v.Type().Field(i)
		if sf.Anonymous && (e.Kind() == reflect.Pointer || e.Kind() == reflect.Interface) &&
			e.IsNil() && encodesItself(sf.Type) {
			return inside(fmt.Errorf("the embedded %v, which encodes the %v, is nil", sf.Type,
				v.Type()), sf.Name)
		}
	}
	return nil
}

// findInAny is find for a value in an interface.
func (f finder) findInAny(v any, depth int) error {
	switch v := v.(type) {
	case nil, string, []byte, bool, int, int64, uint64, float64:
		return nil
	case map[string]any:
		if depth == wire.MaxDepth {
			return errContainsItself
		}
		for k, e := range v {
			if err := f.findInAny(e, depth+1); err != nil {
				return inside(err, k)
			}
		}
		return nil
	case []any:
		if depth == wire.MaxDepth {
			return errContainsItself
		}
		for i, e := range v {
			if err := f.findInAny(e, depth+1); err != nil {
				return inside(err, fmt.Sprintf("[%d]", i))
			}
		}
		return nil
	}
	return f.find(reflect.ValueOf(v), depth, 0)
}

var errContainsItself = fmt.Errorf("it contains itself, or is %w", wire.ErrTooDeep)

func (f finder) findInList(v reflect.Value, depth int) error {
	t := v.Type()
	if namedBytes(t) && !v.CanAddr() {
		return fmt.Errorf("a %v in an interface or a map cannot be encoded: put a pointer to it "+
			"there", t)
	}
	if t.Elem().Kind() == reflect.Uint8 || !f.all && !valueTypeOf(t.Elem()).open {
		return nil
	}
	for i := range v.Len() {
		if err := f.find(v.Index(i), depth, 0); err != nil {
			return inside(err, fmt.Sprintf("[%d]", i))
		}
	}
	return nil
}

func (f finder) findInMap(v reflect.Value, depth int) error {
	if v.Type() == reflect.TypeFor[map[string]any]() && v.CanInterface() {
		return f.findInAny(v.Interface(), depth-1)
	}
	for i := v.MapRange(); i.Next(); {
		if err := f.find(i.Key(), depth, 0); err != nil {
			return inside(err, "key")
		}
		if err := f.find(i.Value(), depth, 0); err != nil {
			return inside(err, mapStep(i.Key()))
		}
	}
	return nil
}

func mapStep(key reflect.Value) string {
	if key.Kind() == reflect.String {
		return key.String()
	}
	return fmt.Sprintf("[%v]", key)
}

func (f finder) findInStruct(v reflect.Value, vt *valueType, depth int) error {
	if !f.all {
		for _, i := range vt.fields {
			if err := f.find(v.Field(i), depth, 0); err != nil {
				return inside(err, v.Type().Field(i).Name)
			}
		}
		return nil
	}
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !encodedField(sf) {
			continue
		}
		err := f.find(v.Field(i), depth, 0)
		if err == nil {
			err = refused(sf)
		}
		if err != nil {
			return inside(err, sf.Name)
		}
	}
	return nil
}

// refused returns why the encoder panics for some value of a field, or nil if it never does.
func refused(sf reflect.StructField) error {
	switch k, tag := sf.Type.Kind(), fieldTag(sf); {
	case tag.HasOption("intern") && k != reflect.String && k != reflect.Interface:
		return fmt.Errorf("a %v cannot be interned", sf.Type)
	case sf.PkgPath != "" && (k == reflect.Map || k == reflect.Slice || encodesItself(sf.Type) ||
		tag.HasOption("omitempty")):
		return fmt.Errorf("the embedded %v is not exported and cannot be encoded", sf.Type)
	}
	return nil
}

// A placedError says which part of a value cannot be encoded.
type placedError struct {
	path string
	err  error
}

func (e *placedError) Error() string { return e.path + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// maxPlace bounds a path: a value may contain itself.
const maxPlace = 60

func inside(err error, step string) error {
	e, ok := err.(*placedError)
	switch {
	case !ok:
		return &placedError{step, err}
	case e.path[0] == '[':
		e.path = step + e.path
	default:
		e.path = step + "." + e.path
	}
	if len(e.path) > maxPlace {
		e.path = strings.ToValidUTF8(e.path[:maxPlace], "") + "…"
	}
	return e
}

// notEncodable is the error of a value that cannot be encoded.
func notEncodable(v any, err error) error {
	return fmt.Errorf("encode %T: %w: %w", v, ErrInvalid, err)
}

// encoderPanicked reports whether the panic that is being recovered began in the msgpack package or
// in a function that it calls, and not in a type's own encoding.
func encoderPanicked() bool {
	pcs := make([]uintptr, 64)
	n := runtime.Callers(2, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*n)
		n = runtime.Callers(2, pcs)
	}
	for frames := runtime.CallersFrames(pcs[:n]); ; {
		f, more := frames.Next()
		switch {
		case strings.HasSuffix(f.Function, carefullyName):
			return true
		// A generated function calls the method of an embedded type for the outer type.
		case !more || !ofEncoder(f.Function) && f.File != "<autogenerated>":
			return false
		}
	}
}

const carefullyName = ".(*encoder).encodeCarefully"

var encoderPackages = []string{
	"runtime.", "reflect.", "internal/", reflect.TypeFor[msgpack.Encoder]().PkgPath() + ".",
	reflect.TypeFor[encoder]().PkgPath() + ".(*encoder).",
}

func ofEncoder(function string) bool {
	for _, p := range encoderPackages {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}
