package codec_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"shmbus/cmd/internal/codec"
)

// Publishing: lines become frames. A line that is wrong is reported with its
// number, and the next one is read.
func ExampleReader() {
	stdin := strings.NewReader("{\"a\": 1.0}\n\n[1,]\n\"end\"")
	in := codec.NewReader(stdin, codec.JSON, 0)
	var frame []byte
	for {
		line, err := in.Next()
		if err == io.EOF {
			break
		}
		if err == nil && codec.JSON.Blank(line) {
			continue
		}
		if err == nil {
			frame, err = codec.JSON.AppendFrame(frame[:0], line)
		}
		if err != nil {
			fmt.Printf("line %d: %v\n", in.Number(), err)
			continue
		}
		fmt.Printf("% x\n", frame)
	}
	// Output:
	// 81 a1 61 cb 3f f0 00 00 00 00 00 00
	// line 3: json: byte 2: invalid character ',' at start of value
	// a3 65 6e 64
}

// Subscribing: frames become lines.
func ExampleFormat_AppendLine() {
	frames := []string{"\x81\xa1a\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", "\xc4\x02hi", "\xd6\xff\x00\x00\x00\x01", "\xa2hi"}
	var out []byte
	for _, f := range []codec.Format{codec.JSON, codec.Text, codec.Raw} {
		out = append(out[:0], f.String()+":\n"...)
		for _, frame := range frames {
			var err error
			if out, err = f.AppendLine(out, []byte(frame)); err != nil {
				log.Fatal(err)
			}
		}
		_, _ = os.Stdout.Write(out)
	}
	// Output:
	// json:
	// {"a":1.0}
	// {"$bytes":"aGk="}
	// {"$time":"1970-01-01T00:00:01Z"}
	// "hi"
	// text:
	// {"a":1.0}
	// {"$bytes":"aGk="}
	// {"$time":"1970-01-01T00:00:01Z"}
	// hi
	// raw:
	// {"a":1.0}
	// hi
	// {"$time":"1970-01-01T00:00:01Z"}
	// hi
}

func ExampleValid() {
	err := codec.Valid([]byte("\x92\x01"))
	fmt.Println(err)
	fmt.Println(errors.Is(err, io.ErrUnexpectedEOF))
	// Output:
	// msgpack: byte 2: ends before the value is whole
	// true
}
