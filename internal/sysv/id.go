package sysv

import "math"

// An ID is the identifier of an object, as a handle holds it. The zero value names no object,
// because the kernel's number 0 may be that of another program's object.
type ID int

// MakeID returns the ID with the kernel's number. The kernel would use only the low 32 bits of a
// larger number, so a number that is not 0 to math.MaxInt32 gives the zero value.
func MakeID(number int) ID {
	if number < 0 || number > math.MaxInt32 {
		return 0
	}
	return ^ID(number)
}

// Number returns the kernel's number. For the zero value it is -1, which the kernel refuses in
// every call.
func (i ID) Number() int { return int(^i) }
