package codec

import (
	"bytes"
	"flag"
	"fmt"
	"strings"

	"shmbus/internal/wire"
)

// Format names one of the line formats. The zero value is JSON. A *Format is
// a flag.Value, and a pflag.Value.
type Format uint8

// The formats; the package comment defines them.
const (
	JSON Format = iota
	Text
	Raw
	Msgpack
)

var names = [...]string{JSON: "json", Text: "text", Raw: "raw", Msgpack: "msgpack"}

var _ flag.Value = (*Format)(nil)

// Names lists the formats as ParseFormat accepts them, for usage texts and
// shell completion.
func Names() []string { return append([]string(nil), names[:]...) }

// ParseFormat returns the format called s.
func ParseFormat(s string) (Format, error) {
	for f, name := range names {
		if s == name {
			return Format(f), nil
		}
	}
	return 0, fmt.Errorf("unknown format %q: use one of %s", s, strings.Join(names[:], ", "))
}

// String returns the format's name.
func (f Format) String() string {
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// Set makes f the format called s.
func (f *Format) Set(s string) error {
	v, err := ParseFormat(s)
	if err == nil {
		*f = v
	}
	return err
}

// Type names the kind of value in a command's usage text.
func (f *Format) Type() string { return "format" }

// Blank reports whether line holds nothing to publish: a JSON line of white
// space. In the other formats an empty line is an empty message.
func (f Format) Blank(line []byte) bool {
	return f == JSON && len(bytes.TrimLeft(line, jsonSpace)) == 0
}

// AppendFrame appends the one msgpack frame that line stands for to dst. The
// line is without its newline, and numbers are carried as by [Nearest]; see
// [Encoder]. It allocates nothing but dst's growth.
// On error, mostly a *[SyntaxError], dst is returned as it was.
func (f Format) AppendFrame(dst, line []byte) ([]byte, error) {
	switch f {
	case JSON:
		return appendJSONFrame(dst, line, Nearest, nil)
	case Text, Raw:
		if !fits(len(line)) {
			return dst, ErrTooLong
		}
		if f == Text {
			dst = wire.AppendStrHead(dst, len(line))
		} else {
			dst = wire.AppendBinHead(dst, len(line))
		}
		return append(dst, line...), nil
	case Msgpack:
		if err := Valid(line); err != nil {
			return dst, err
		}
		return append(dst, line...), nil
	}
	panic("codec: " + f.String() + " is not a format")
}

// AppendLine appends frame as a line of output to dst, with its newline in
// every format but Msgpack. Any well-formed frame has a line; nothing is
// assumed of frame, and one that is cut short, has bytes to spare or nests
// deeper than [MaxDepth] is a *[SyntaxError]. On error dst is returned as it
// was. A line is at most 16 times as long as its frame.
func (f Format) AppendLine(dst, frame []byte) ([]byte, error) {
	switch f {
	case JSON:
		return appendJSONLine(dst, frame)
	case Text, Raw:
		h, size, err := wire.ReadHead(frame)
		if err != nil || h.Kind != wire.Str && (f == Text || h.Kind != wire.Bin) {
			return appendJSONLine(dst, frame)
		}
		payload := frame[size:]
		switch n := uint64(len(payload)); {
		case n < h.N:
			return dst, truncated(frame)
		case n > h.N:
			return dst, frameError(size+int(h.N), ErrTrailing)
		}
		return append(append(dst, payload...), '\n'), nil
	case Msgpack:
		if err := Valid(frame); err != nil {
			return dst, err
		}
		return append(dst, frame...), nil
	}
	panic("codec: " + f.String() + " is not a format")
}
