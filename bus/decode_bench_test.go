package bus

import (
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

type benchQuote struct {
	Symbol string  `msgpack:"symbol"`
	Bid    float64 `msgpack:"bid"`
	Ask    float64 `msgpack:"ask"`
	Size   int     `msgpack:"size"`
	Seq    uint64  `msgpack:"seq"`
	Venue  string  `msgpack:"venue"`
}

type benchOrder struct {
	ID     uint64            `msgpack:"id"`
	At     time.Time         `msgpack:"at"`
	Tags   map[string]string `msgpack:"tags"`
	Levels []benchQuote      `msgpack:"levels"`
	Best   *benchQuote       `msgpack:"best"`
	Note   any               `msgpack:"note"`
}

func benchFrame(b testing.TB, v any) []byte {
	frame, err := msgpack.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return frame
}

// BenchmarkDecode compares Message.Decode with the msgpack package.
func BenchmarkDecode(b *testing.B) {
	quote := benchQuote{"EURUSD", 1.08423, 1.08425, 300, 123456789, "XETR"}
	order := benchOrder{7, time.Unix(1, 2), map[string]string{"a": "b", "c": "d"}, []benchQuote{quote, quote, quote, quote}, &quote, map[string]any{"x": []any{1, 2.5, "y"}}}
	for _, bench := range []struct {
		name string
		v    any
		into func() any
	}{
		{"quote", quote, func() any { return new(benchQuote) }},
		{"order", order, func() any { return new(benchOrder) }},
		{"any", order, func() any { return new(any) }},
		{"map", quote, func() any { return new(map[string]any) }},
	} {
		m := Message{Raw: benchFrame(b, bench.v)}
		for by, decode := range map[string]func(any) error{
			"bus":     m.Decode,
			"msgpack": func(v any) error { return msgpack.Unmarshal(m.Raw, v) },
		} {
			b.Run("value="+bench.name+"/by="+by, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := decode(bench.into()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	own := Message{Raw: []byte("\xcc\x07")}
	b.Run("value=own/by=bus", func(b *testing.B) {
		var v ownCodec
		for b.Loop() {
			if err := own.Decode(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkEncode is what Publish does before there is a frame.
func BenchmarkEncode(b *testing.B) {
	quote := benchQuote{"EURUSD", 1.08423, 1.08425, 300, 123456789, "XETR"}
	for _, bench := range []struct {
		name string
		v    any
	}{
		{"int", 1000},
		{"quote", &quote},
		{"order", &benchOrder{7, time.Unix(1, 2), nil, []benchQuote{quote, quote}, &quote, map[string]any{"x": []any{1, 2.5, "y"}}}},
		{"map", map[string]any{"symbol": "EURUSD", "bid": 1.08423, "ask": 1.08425, "size": 300, "seq": 123456789, "venue": "XETR"}},
	} {
		b.Run("value="+bench.name, func(b *testing.B) {
			var e encoder
			e.init(nil)
			slot := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.encode(slot, bench.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
