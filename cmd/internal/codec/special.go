package codec

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"shmbus/internal/wire"
)

const (
	// quietNaN is the NaN that {"$float":"NaN"} stands for.
	quietNaN = 0x7ff8000000000000
	// The seconds since 1970 of the years 0 to 9999, which RFC 3339 can write.
	minTime, maxTime = -62167219200, 253402300799
)

var base64Strict = base64.StdEncoding.Strict()

// appendBase64Member appends {"name":"<base64 of payload>"}.
func appendBase64Member(dst []byte, name string, payload []byte) []byte {
	dst = append(append(append(dst, '{', '"'), name...), '"', ':', '"')
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, '"', '}')
}

// appendExtText appends the JSON of an ext: a time, a number, or {"$ext":…}.
func appendExtText(dst []byte, typ int8, payload []byte) []byte {
	if t, ok := timeOf(typ, payload); ok {
		dst = append(dst, `{"$time":"`...)
		dst = t.AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"', '}')
	}
	if typ == wire.ExtNumber && isExactNumber(payload) {
		return append(dst, payload...)
	}
	dst = strconv.AppendInt(append(dst, `{"$ext":[`...), int64(typ), 10)
	dst = base64.StdEncoding.AppendEncode(append(dst, ',', '"'), payload)
	return append(dst, '"', ']', '}')
}

// appendFloatText appends the JSON of a float of the given size in bits.
func appendFloatText(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `{"$float":"NaN"}`...)
	case math.IsInf(v, 1):
		return append(dst, `{"$float":"Infinity"}`...)
	case math.IsInf(v, -1):
		return append(dst, `{"$float":"-Infinity"}`...)
	}
	return appendFloat(dst, v, bits)
}

// timeOf reads a msgpack timestamp. It reports false for an ext that is none,
// or none that RFC 3339 can write.
func timeOf(typ int8, payload []byte) (time.Time, bool) {
	sec, nsec, ok := wire.Timestamp(payload)
	if typ != wire.ExtTime || !ok || sec < minTime || sec > maxTime {
		return time.Time{}, false
	}
	return time.Unix(sec, int64(nsec)).UTC(), true
}

func appendTimestamp(dst []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), uint32(t.Nanosecond())
	switch {
	case sec>>34 != 0:
		dst = binary.BigEndian.AppendUint32(wire.AppendExtHead(dst, wire.ExtTime, 12), nsec)
		return binary.BigEndian.AppendUint64(dst, uint64(sec))
	case nsec != 0 || sec>>32 != 0:
		return binary.BigEndian.AppendUint64(wire.AppendExtHead(dst, wire.ExtTime, 8), uint64(nsec)<<34|uint64(sec))
	}
	return binary.BigEndian.AppendUint32(wire.AppendExtHead(dst, wire.ExtTime, 4), uint32(sec))
}

// collapse replaces the map of one pair whose header is the byte at pos, and
// which ends dst, by the value it stands for. It reports false, and leaves
// the map, unless that value would be written as this very map.
func collapse(dst []byte, pos int) ([]byte, bool) {
	key, size, _ := wire.ReadHead(dst[pos+1:])
	at := pos + 1 + size
	if key.Kind != wire.Str || key.N < 4 || dst[at] != '$' {
		return dst, false
	}
	name := dst[at : at+int(key.N)]
	at += len(name)
	value, size, _ := wire.ReadHead(dst[at:])
	start := len(dst)
	out, ok := dst, false
	if string(name) == "$ext" {
		if value.Kind == wire.Array && value.N == 2 {
			out, ok = appendExtOf(dst, dst[at+size:])
		}
	} else if value.Kind == wire.Str {
		out, ok = appendSpecialOf(dst, name, dst[at+size:])
	}
	if !ok {
		return out[:start], false
	}
	n := copy(out[pos:], out[start:])
	return out[:pos+n], true
}

// appendSpecialOf appends the value that {"name":"text"} stands for.
func appendSpecialOf(dst, name, text []byte) ([]byte, bool) {
	switch string(name) {
	case "$bytes":
		return appendBase64Of(wire.AppendBinHead(dst, decodedLen(text)), text)
	case "$str":
		dst = wire.AppendStrHead(dst, decodedLen(text))
		payload := len(dst)
		dst, ok := appendBase64Of(dst, text)
		return dst, ok && !utf8.Valid(dst[payload:])
	case "$time":
		var t time.Time
		if t.UnmarshalText(text) != nil {
			return dst, false
		}
		t = t.UTC()
		var space [len(time.RFC3339Nano)]byte
		if sec := t.Unix(); sec < minTime || sec > maxTime ||
			string(t.AppendFormat(space[:0], time.RFC3339Nano)) != string(text) {
			return dst, false
		}
		return appendTimestamp(dst, t), true
	case "$float":
		switch string(text) {
		case "NaN":
			return wire.AppendFloat64(dst, quietNaN), true
		case "Infinity":
			return wire.AppendFloat64(dst, math.Float64bits(math.Inf(1))), true
		case "-Infinity":
			return wire.AppendFloat64(dst, math.Float64bits(math.Inf(-1))), true
		}
	}
	return dst, false
}

// appendExtOf appends the ext that {"$ext":[type,"text"]} stands for, where
// pair is the msgpack of the array's two elements.
func appendExtOf(dst, pair []byte) ([]byte, bool) {
	typ, size, _ := wire.ReadHead(pair)
	text, textSize, err := wire.ReadHead(pair[size:])
	n := int64(typ.N)
	if (typ.Kind != wire.Int && typ.Kind != wire.Uint) || n < math.MinInt8 || n > math.MaxInt8 ||
		typ.Kind == wire.Uint && typ.N > math.MaxInt8 || err != nil || text.Kind != wire.Str {
		return dst, false
	}
	b64 := pair[size+textSize:]
	dst = wire.AppendExtHead(dst, int8(n), decodedLen(b64))
	payload := len(dst)
	dst, ok := appendBase64Of(dst, b64)
	if !ok {
		return dst, false
	}
	if _, isTime := timeOf(int8(n), dst[payload:]); isTime {
		return dst, false
	}
	return dst, n != wire.ExtNumber || !isExactNumber(dst[payload:])
}

// decodedLen is the length of what padded base64 text holds, if it is valid.
func decodedLen(text []byte) int {
	n := len(text)
	padding := 0
	for padding < min(2, n) && text[n-1-padding] == '=' {
		padding++
	}
	return max(0, n/4*3-padding)
}

// appendBase64Of appends what text decodes to, if encoding that gives text
// again: no line breaks, no missing padding, no stray bits.
func appendBase64Of(dst, text []byte) ([]byte, bool) {
	start := len(dst)
	dst, err := base64Strict.AppendDecode(dst, text)
	return dst, err == nil && base64Strict.EncodedLen(len(dst)-start) == len(text)
}
