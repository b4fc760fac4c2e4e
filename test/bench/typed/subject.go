package typed

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"shmbus/bus"
	"shmbus/test/bench/worker"
)

// A subject is a value to encode, and room for what is decoded.
type subject struct {
	value    any        // a pointer
	room     func() any // a pointer to a value that is zero
	got      any        // as room returned it last
	slotSize int        // that holds the value's encoding
	batch    int        // of so many it is timed
}

func newSubject(p worker.Params) (*subject, error) {
	value, codec := p.String("value", "struct"), p.String("codec", "reflect")
	if codec != "reflect" && (codec != "generated" || value != "struct") {
		return nil, fmt.Errorf("codec=%s: reflect is needed, or for a struct generated", codec)
	}
	decode := msgpack.Unmarshal
	if way := p.String("way", "slot"); way == "slot" || way == "copy" {
		decode = func(b []byte, v any) error { return bus.Message{Raw: b}.Decode(v) }
	}
	s := &subject{slotSize: slotSize, batch: 256}
	switch value {
	case "struct":
		sent, got := At(1), new(Quote)
		s.value, s.room = &sent, func() any { *got = Quote{}; return got }
		if codec == "generated" {
			s.value, s.room = (*Generated)(&sent), func() any { *got = Quote{}; return (*Generated)(got) }
		}
	case "map":
		s.slotSize, s.batch = 2<<10, 64
		s.value, s.room = asDecoded(fields(0, 51), decode), func() any { return new(map[string]any) }
	case "document":
		s.slotSize, s.batch = 16<<10, 8
		s.value, s.room = asDecoded(document(), decode), func() any { return new(map[string]any) }
	default:
		return nil, fmt.Errorf("value=%s: struct, map or document is needed", value)
	}
	return s, nil
}

// next returns room for what is decoded next.
func (s *subject) next() any {
	s.got = s.room()
	return s.got
}

// fields returns a map of strings, numbers and booleans, some 20 bytes each when encoded.
func fields(seed, n int) map[string]any {
	m := map[string]any{}
	for i := range n {
		key := fmt.Sprintf("field.%02d", i)
		switch k := seed + i; k % 4 {
		case 0:
			m[key] = fmt.Sprintf("text of field number %04d, %d", k, seed)
		case 1:
			m[key] = 1000 + float64(k)/8
		case 2:
			m[key] = k * 10007
		case 3:
			m[key] = k%8 == 3
		}
	}
	return m
}

// document returns a map of maps and lists.
func document() map[string]any {
	var items []any
	for i := range 60 {
		items = append(items, map[string]any{
			"id": i, "name": fmt.Sprintf("item number %d", i), "price": 10 + float64(i)/4, "tags": []any{"red", "round", i%2 == 0},
			"fields": fields(i, 5),
		})
	}
	return map[string]any{"title": "a document", "version": 3, "head": fields(7, 8), "items": items}
}

// asDecoded returns what decode makes of m: numbers of the types that it chooses.
func asDecoded(m map[string]any, decode func([]byte, any) error) *map[string]any {
	c := newReflected()
	b, err := c.encode(m)
	got := new(map[string]any)
	if err == nil {
		err = decode(b, got)
	}
	if err != nil {
		panic(err)
	}
	return got
}
