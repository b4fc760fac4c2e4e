package bustest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
)

// differences returns what differs between two values, a line for each part with the path to it:
// ".Levels[2].Bid: got 101.5, want 101.6".
func differences(got, want reflect.Value) []string {
	var c comparison
	c.values("", got, want)
	return c.lines
}

// A comparison collects differences.
type comparison struct{ lines []string }

func (c *comparison) note(path, format string, args ...any) {
	c.lines = append(c.lines, cmp.Or(path, "value")+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) differ(path string, got, want reflect.Value) {
	c.note(path, "got %s, want %s", show(got), show(want))
}

// values compares the parts to which path leads. The zero Value stands for a part that one side
// does not have.
func (c *comparison) values(path string, got, want reflect.Value) {
	if !got.IsValid() || !want.IsValid() {
		if got.IsValid() != want.IsValid() {
			c.differ(path, got, want)
		}
		return
	}
	if g, w := got.Type(), want.Type(); g != w {
		c.note(path, "got %s of type %v, want %s of type %v", show(got), g, show(want), w)
		return
	}
	same := false
	switch kind := got.Kind(); {
	case hasEqual(got):
		same = got.MethodByName("Equal").Call([]reflect.Value{want})[0].Bool()
	case kind == reflect.Pointer || kind == reflect.Interface:
		c.values(path, got.Elem(), want.Elem())
		return
	case kind == reflect.Struct:
		for i := range got.NumField() {
			c.values(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i))
		}
		return
	case kind == reflect.Slice && got.IsNil() != want.IsNil():
	case isBytes(got):
		same = slices.Equal(got.Bytes(), want.Bytes())
	case kind == reflect.Slice || kind == reflect.Array:
		for i := range max(got.Len(), want.Len()) {
			c.values(fmt.Sprintf("%s[%d]", path, i), element(got, i), element(want, i))
		}
		return
	case kind == reflect.Map && got.IsNil() == want.IsNil():
		for _, k := range keys(got, want) {
			c.values(fmt.Sprintf("%s[%s]", path, show(k)), got.MapIndex(k), want.MapIndex(k))
		}
		return
	default:
		same = got.Comparable() && got.Equal(want)
	}
	if !same {
		c.differ(path, got, want)
	}
}

// hasEqual reports whether the type has a method Equal that compares two values of the type.
func hasEqual(v reflect.Value) bool {
	if !v.CanInterface() || v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		return false
	}
	m, ok := v.Type().MethodByName("Equal")
	return ok && m.Type.NumIn() == 2 && m.Type.In(1) == v.Type() &&
		m.Type.NumOut() == 1 && m.Type.Out(0).Kind() == reflect.Bool
}

func isBytes(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
}

// element returns an element, or the zero Value after the end.
func element(v reflect.Value, i int) reflect.Value {
	if i < v.Len() {
		return v.Index(i)
	}
	return reflect.Value{}
}

// keys returns the keys of both maps in an order that is always the same.
func keys(a, b reflect.Value) []reflect.Value {
	all := a.MapKeys()
	for _, k := range b.MapKeys() {
		if !a.MapIndex(k).IsValid() {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b reflect.Value) int { return cmp.Compare(show(a), show(b)) })
	return all
}

// show prints a value so that a string is told from a number, and a nil slice from an empty one.
func show(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	switch kind := v.Kind(); {
	case kind == reflect.Interface || kind == reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return show(v.Elem())
	case kind == reflect.String:
		return fmt.Sprintf("%q", v)
	case (kind == reflect.Slice || kind == reflect.Map) && v.IsNil():
		return fmt.Sprintf("nil %v", v.Type())
	case isBytes(v):
		return fmt.Sprintf("bytes % x", v)
	}
	return fmt.Sprintf("%+v", v)
}
