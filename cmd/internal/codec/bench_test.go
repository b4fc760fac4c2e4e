package codec_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"shmbus/cmd/internal/codec"
)

var samples = []struct{ name, json string }{
	{"tick", `{"symbol":"EURUSD","bid":1.08423,"ask":1.08425,"seq":123456789,"time":"2026-01-02T03:04:05.678Z","flags":[1,2,3],"live":true,"note":null}`},
	{"log", `{"level":"info","msg":"` + strings.Repeat("request handled in time ", 20) + `","path":"/api/v1/things","status":200}`},
	{"escaped", `{"msg":"` + strings.Repeat(`line one\nline \"two\"\té `, 20) + `"}`},
	{"wide", `[` + strings.Repeat(`{"id":1000,"name":"naïve café","xs":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]},`, 200) + `0]`},
	{"floats", `[` + strings.Repeat(`-65.61361699999998,43.42027300000001,0.125,1013.25,`, 100) + `0.5]`},
	{"exact", `[` + strings.Repeat(`1.10,1e5,20.50,`, 100) + `0]`},
}

func BenchmarkAppendFrame(b *testing.B) {
	run := func(f codec.Format, name string, line []byte) {
		b.Run(fmt.Sprintf("format=%v/sample=%s", f, name), func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				var err error
				if dst, err = f.AppendFrame(dst[:0], line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, s := range samples {
		run(codec.JSON, s.name, []byte(s.json))
	}
	exact := codec.Encoder{Numbers: codec.Exact}
	b.Run("format=json/sample=exact/numbers=exact", func(b *testing.B) {
		line := []byte(samples[5].json)
		b.SetBytes(int64(len(line)))
		b.ReportAllocs()
		var dst []byte
		for b.Loop() {
			var err error
			if dst, err = exact.AppendFrame(dst[:0], line); err != nil {
				b.Fatal(err)
			}
		}
	})
	run(codec.Text, "log", []byte(samples[1].json))
	run(codec.Raw, "log", []byte(samples[1].json))
}

func BenchmarkAppendLine(b *testing.B) {
	for _, s := range samples {
		for _, f := range []codec.Format{codec.JSON, codec.Text} {
			frame, err := f.AppendFrame(nil, []byte(s.json))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("format=%v/sample=%s", f, s.name), func(b *testing.B) {
				b.SetBytes(int64(len(s.json)))
				b.ReportAllocs()
				var dst []byte
				for b.Loop() {
					if dst, err = f.AppendLine(dst[:0], frame); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkValid(b *testing.B) {
	for _, s := range samples {
		frame, _ := codec.JSON.AppendFrame(nil, []byte(s.json))
		b.Run("sample="+s.name, func(b *testing.B) {
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				if err := codec.Valid(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReader(b *testing.B) {
	for _, f := range []codec.Format{codec.JSON, codec.Msgpack} {
		item := []byte(samples[0].json + "\n")
		if f == codec.Msgpack {
			item, _ = codec.JSON.AppendFrame(nil, item)
		}
		stream := bytes.Repeat(item, 50_000)
		b.Run(fmt.Sprintf("format=%v", f), func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				r := codec.NewReader(bytes.NewReader(stream), f, 0)
				n := 0
				for {
					_, err := r.Next()
					if err == io.EOF {
						break
					}
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 50_000 {
					b.Fatal(n)
				}
			}
		})
	}
}
