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
// Compact JSON with minimal escapes comes out as the same bytes: key order,
// duplicate keys and the text of every number included. What is not compact
// or minimal is normalised: white space between tokens goes, and a string is
// written with the fewest escapes (RFC 8785, section 3.2.2.2): \/ becomes /,
// \u00e9 becomes é, \u003c becomes <, and U+2028 stays as it is. Invalid UTF-8
// and lone surrogates are errors, and so is nesting beyond [MaxDepth].
//
// Numbers keep their kind and their text:
//
//	JSON text                                    msgpack
//	-9223372036854775808 … 18446744073709551615  the shortest int or uint
//	a float64 in its one rendering: 0.1, 1.0,    float64
//	  -0.0, 1e+21, 1e-7
//	any other text: 1e5, 1E5, 1.10, -0, 1e300,   ext [ExtNumber] with that text
//	  99999999999999999999
//
// The one rendering of a float64 is the shortest decimal that reads back as
// the same value, laid out as encoding/json and JavaScript do (an exponent
// below 1e-6 and from 1e+21), with ".0" added where it would read as an
// integer. Each text has thus one frame and each float64 one text.
//
// # msgpack to JSON to msgpack
//
// What JSON has no words for becomes an object of one member:
//
//	bin                                   {"$bytes":"<base64>"}
//	timestamp (ext -1), years 0 to 9999   {"$time":"<RFC 3339, UTC, to the nanosecond>"}
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
// what that object stands for. Wide encodings of small values come back in
// the shortest encoding.
package codec
