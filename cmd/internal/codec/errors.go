package codec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"shmbus/internal/wire"
)

// MaxDepth is how many arrays and maps may contain one another in a frame.
const MaxDepth = wire.MaxDepth

// DefaultMax is the length in bytes a [Reader] allows a line or a msgpack
// object unless told otherwise.
const DefaultMax = 16 << 20

// What a [SyntaxError] may have as its reason.
var (
	ErrTooDeep     = wire.ErrTooDeep
	ErrTrailing    = wire.ErrTrailing
	ErrInvalidByte = wire.ErrInvalidByte
	// ErrCutNumber reports a JSON number that ends in a sign, a point or an e.
	ErrCutNumber = errors.New("the number ends where digits must follow")
	// ErrTooLong reports a line or object longer than the reader's maximum, or
	// than the 4 GiB a msgpack length can express.
	ErrTooLong = errors.New("longer than the maximum length")
)

// SyntaxError reports a line or frame that is not what its format asks for.
type SyntaxError struct {
	// Format is JSON or Msgpack: the language the input was read as.
	Format Format
	// Offset counts the bytes of the line or frame before the error.
	Offset int
	// Err is the reason: one of this package's errors, io.ErrUnexpectedEOF for
	// input that ends too early, or an error of the JSON tokenizer.
	Err error
}

func (e *SyntaxError) Error() string {
	reason := e.Err.Error()
	if e.Err == io.ErrUnexpectedEOF {
		reason = "ends before the value is whole"
	}
	return fmt.Sprintf("%v: byte %d: %s", e.Format, e.Offset, reason)
}

func (e *SyntaxError) Unwrap() error { return e.Err }

// jsonError is the error after the token that ends at end. A line cannot end in the middle of a
// number that continues in the next one.
func jsonError(line []byte, end int, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		if rest := bytes.TrimLeft(line[end:], jsonSpace+",:"); len(rest) > 0 && (rest[0] == '-' || '0' <= rest[0] && rest[0] <= '9') {
			return &SyntaxError{JSON, len(line), ErrCutNumber}
		}
	}
	if se, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &SyntaxError{JSON, int(se.ByteOffset), se.Err}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &SyntaxError{JSON, len(line), err}
}

func frameError(offset int, err error) error {
	return &SyntaxError{Msgpack, offset, err}
}

// fits reports whether msgpack can express a payload of n bytes.
func fits(n int) bool { return uint64(n) <= math.MaxUint32 }
