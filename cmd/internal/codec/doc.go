// Package codec holds the line formats of buspub and bussub: how a line of
// input becomes one msgpack frame, and how a frame becomes a line of output.
//
//	f, err := codec.ParseFormat("json")
//	in := codec.NewReader(os.Stdin, f, 0)
//	for {
//		line, err := in.Next()                      // io.EOF at the end
//		if f.Blank(line) { continue }
//		frame, err = f.AppendFrame(frame[:0], line) // publish frame
//	}
//
//	out, err = f.AppendLine(out[:0], frame)           // write out
//
// # Formats
//
//	format   a line in becomes            a frame comes out as
//	json     the msgpack of the value     one line of compact JSON
//	text     a msgpack str                str: its bytes and a newline; else as json
//	raw      a msgpack bin                bin or str: its bytes and a newline; else as json
//	msgpack  itself, once validated       itself, no newline
//
// Text says that the bytes are meant to be read, and other consumers decode
// a string; raw says nothing about them, and other consumers decode a byte
// slice. Neither checks for UTF-8 or escapes a newline inside the payload.
//
// # JSON to msgpack to JSON
//
// The values come out as they were, keys in their order, duplicates too. White
// space between tokens goes, and a string is written with the fewest escapes
// (RFC 8785, section 3.2.2.2): \/ becomes /, \u00e9 becomes é, \u003c becomes
// <, and U+2028 stays as it is. Invalid UTF-8 and lone surrogates are errors,
// and so is nesting beyond [MaxDepth].
//
// Numbers become what any reader of msgpack understands:
//
//	JSON text                                    msgpack
//	-9223372036854775808 … 18446744073709551615  the shortest int or uint
//	with a point or an exponent: 0.1, 101.50,    float64, if that is the number
//	  100.00, 1e5, 1e+16; and -0                 to all of its digits
//	99999999999999999999, 1.0000000000000000001  by [Numbers]: the nearest float64
//	                                             ([Nearest]), ext ([Exact]), or an
//	                                             error ([Refuse])
//	1e400                                        an error, but with [Exact]
//
// [wire.Nearest] says when a float64 is the number. A number with a point or
// an exponent is a float64 also if it is whole: whether a column is of
// integers or floats must not depend on the value that a row happens to have,
// and printf's "%.2f" writes 100.00. Out comes the one rendering of a float64:
// the shortest decimal that reads back as the same value, laid out as
// encoding/json and JavaScript do (an exponent below 1e-6 and from 1e+21),
// with ".0" added where it would read as an integer. So 101.50 comes out as
// 101.5, and 1e5 as 100000.0.
//
// [Exact] keeps the text of numbers as well: compact JSON with minimal escapes
// comes out as the same bytes. An integer or a float64 whose text is its one
// rendering is carried as such, any other number (1e5, 1.10, -0, 1e300) as an
// ext of type [wire.ExtNumber] with that text.
//
// # msgpack to JSON to msgpack
//
// What JSON has no words for becomes an object of one member:
//
//	bin                                   {"$bytes":"<base64>"}
//	timestamp (ext -1), years 0 to 9999   {"$time":"<RFC 3339, UTC, to the nanosecond>"}
//	number as text ([wire.ExtNumber])     that text
//	any other ext                         {"$ext":[<type>,"<base64>"]}
//	float NaN, ±infinity                  {"$float":"NaN"}, "Infinity", "-Infinity"
//	str that is not UTF-8                 {"$str":"<base64>"}
//
// Base64 is the standard alphabet with padding. Such an object in JSON input
// becomes that msgpack value again only where the value would be written as
// exactly this object: {"$bytes":"aGk"} without its padding, a time with an
// offset or a second member leave it an ordinary map.
//
// A map key that is not a UTF-8 str is written as a string holding its JSON
// text: 1 becomes "1", bin becomes "{\"$bytes\":\"aGk=\"}". An array or a map as
// key becomes "{\"$msgpack\":\"<base64 of the key's msgpack>\"}". Two keys that
// differ only in kind come out as duplicates.
//
// The way back from JSON restores every value, with these exceptions: keys
// that were not strings stay strings, a float32 comes back as the float64 of
// its shortest decimal (and so prints the same), every NaN comes back as the
// quiet NaN, and a map that looks like one of the objects above comes back as
// what that object stands for. A number that was carried as text does so again
// with [Exact]. Wide encodings of small values come back in
// the shortest encoding.
package codec
