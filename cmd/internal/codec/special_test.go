package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpecialObjects(t *testing.T) {
	tests := []struct{ name, json, frame string }{
		{"bytes", `{"$bytes":"aGk="}`, "\xc4\x02hi"},
		{"no bytes", `{"$bytes":""}`, "\xc4\x00"},
		{"within", `{"a":[{"$bytes":"aGk="}],"b":1}`, "\x82\xa1a\x91\xc4\x02hi\xa1b\x01"},
		{"time in 32 bits", `{"$time":"1970-01-01T00:00:01Z"}`, "\xd6\xff\x00\x00\x00\x01"},
		{"time in 64 bits", `{"$time":"1970-01-01T00:00:01.5Z"}`, "\xd7\xff\x77\x35\x94\x00\x00\x00\x00\x01"},
		{"time after 2106", `{"$time":"2106-02-07T06:28:16Z"}`, "\xd7\xff\x00\x00\x00\x01\x00\x00\x00\x00"},
		{"time before 1970", `{"$time":"1969-12-31T23:59:59.000000001Z"}`, "\xc7\x0c\xff\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff"},
		{"last time", `{"$time":"9999-12-31T23:59:59.999999999Z"}`, "\xc7\x0c\xff\x3b\x9a\xc9\xff\x00\x00\x00\x3a\xff\xf4\x41\x7f"},
		{"first time", `{"$time":"0000-01-01T00:00:00Z"}`, "\xc7\x0c\xff\x00\x00\x00\x00\xff\xff\xff\xf1\x86\x8b\x84\x00"},
		{"time out of range", `{"$ext":[-1,"AAAAAAAAADr/9EGA"]}`, "\xc7\x0c\xff\x00\x00\x00\x00\x00\x00\x00\x3a\xff\xf4\x41\x80"},
		{"too many nanoseconds", `{"$ext":[-1,"7msoAAAAAAA="]}`, "\xd7\xff\xee\x6b\x28\x00\x00\x00\x00\x00"},
		{"time of odd length", `{"$ext":[-1,"AAA="]}`, "\xd5\xff\x00\x00"},
		{"ext", `{"$ext":[5,"AQ=="]}`, "\xd4\x05\x01"},
		{"ext negative", `{"$ext":[-128,"AQ=="]}`, "\xd4\x80\x01"},
		{"ext of no bytes", `{"$ext":[127,""]}`, "\xc7\x00\x7f"},
		{"ext of 16 bytes", `{"$ext":[1,"YWJjZGVmZ2hpamtsbW5vcA=="]}`, "\xd8\x01abcdefghijklmnop"},
		{"number ext of a plain number", `{"$ext":[78,"MQ=="]}`, "\xd4N1"},
		{"number ext of a plain float", `{"$ext":[78,"MC41"]}`, "\xc7\x03N0.5"},
		{"number ext of nonsense", `{"$ext":[78,"eA=="]}`, "\xd4Nx"},
		{"number ext with a space", `{"$ext":[78,"MWU1IA=="]}`, "\xd6N1e5 "},
		{"number ext of two numbers", `{"$ext":[78,"MWU1IDE="]}`, "\xc7\x05N1e5 1"},
		{"str", `{"$str":"/w=="}`, "\xa1\xff"},
		{"NaN", `{"$float":"NaN"}`, "\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"},
		{"infinity", `{"$float":"Infinity"}`, "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"},
		{"-infinity", `{"$float":"-Infinity"}`, "\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.json, toJSON(t, []byte(tt.frame)))
			require.Equal(t, tt.frame, string(toFrame(t, tt.json)))
		})
	}
}

// What would not be written as the same object stays a map.
func TestOrdinaryObjects(t *testing.T) {
	tests := []struct{ name, json string }{
		{"second member", `{"$bytes":"aGk=","a":1}`},
		{"twice", `{"$bytes":"aGk=","$bytes":"aGk="}`},
		{"no padding", `{"$bytes":"aGk"}`},
		{"stray bits", `{"$bytes":"aGl="}`},
		{"line break", `{"$bytes":"aG\nk="}`},
		{"line breaks of a group", `{"$bytes":"aGk=\n\n\n\n"}`},
		{"URL alphabet", `{"$bytes":"_w=="}`},
		{"only padding", `{"$bytes":"===="}`},
		{"one character", `{"$bytes":"="}`},
		{"number", `{"$bytes":1}`},
		{"array", `{"$bytes":["aGk="]}`},
		{"special in special", `{"$bytes":{"$bytes":"aGk="}}`},
		{"offset", `{"$time":"2026-01-01T00:00:00+00:00"}`},
		{"zone", `{"$time":"2026-01-01T02:00:00+02:00"}`},
		{"trailing zero", `{"$time":"2026-01-01T00:00:00.10Z"}`},
		{"comma", `{"$time":"2026-01-01T00:00:00,1Z"}`},
		{"no such day", `{"$time":"2026-02-30T00:00:00Z"}`},
		{"leap second", `{"$time":"2016-12-31T23:59:60Z"}`},
		{"year 10000 by offset", `{"$time":"9999-12-31T23:59:59-01:00"}`},
		{"lower case", `{"$time":"2026-01-01t00:00:00z"}`},
		{"empty time", `{"$time":""}`},
		{"ext is a time", `{"$ext":[-1,"AAAAAQ=="]}`},
		{"ext is a number", `{"$ext":[78,"MWU1"]}`},
		{"ext type too big", `{"$ext":[128,"AQ=="]}`},
		{"ext type too small", `{"$ext":[-129,"AQ=="]}`},
		{"ext type huge", `{"$ext":[18446744073709551615,"AQ=="]}`},
		{"ext type float", `{"$ext":[1.0,"AQ=="]}`},
		{"ext type exact", `{"$ext":[1e0,"AQ=="]}`},
		{"ext payload number", `{"$ext":[1,2]}`},
		{"ext of one", `{"$ext":[1]}`},
		{"ext of three", `{"$ext":[1,"AQ==",2]}`},
		{"ext of none", `{"$ext":[]}`},
		{"ext str", `{"$ext":"AQ=="}`},
		{"str that is UTF-8", `{"$str":"aGk="}`},
		{"float", `{"$float":"1.5"}`},
		{"float nan", `{"$float":"nan"}`},
		{"other", `{"$other":"aGk="}`},
		{"dollar", `{"$":""}`},
		{"msgpack", `{"$msgpack":"gA=="}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frame := toFrame(t, tt.json)
			require.Contains(t, []byte{0x81, 0x82}, frame[0], "a map")
			require.Equal(t, tt.json, toJSON(t, frame))
		})
	}
}
