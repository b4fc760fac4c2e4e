package sysvshm

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Ftok makes a key from a file and a project number, the same key as the C library's
// ftok. The file must exist; what is in it does not matter.
//
// The key holds 16 bits of the inode number, 8 of the device and the project, so
// that two files can have the same one: who opens a segment by such a key should
// check that it is the one meant. A file that is deleted and made again usually has
// another key.
//
// Project 0 is an error: C leaves its result undefined, and it could make the key
// [Private].
func Ftok(path string, proj byte) (Key, error) {
	if proj == 0 {
		return 0, &fs.PathError{Op: "ftok", Path: path, Err: errProject}
	}
	var st unix.Stat_t
	for {
		err := unix.Stat(path, &st)
		if err == nil {
			return keyOf(uint64(st.Dev), st.Ino, proj), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, &fs.PathError{Op: "ftok", Path: path, Err: err}
		}
	}
}

// keyOf is the C library's formula: project, 8 bits; device, 8 bits; inode, 16 bits.
func keyOf(dev, ino uint64, proj byte) Key {
	return Key(uint32(proj)<<24 | uint32(dev&0xff)<<16 | uint32(ino&0xffff))
}

var errProject = projectError{}

type projectError struct{}

func (projectError) Error() string {
	return "project number 0 could make the key 0, which is Private: use 1 to 255"
}

func (projectError) Unwrap() error { return unix.EINVAL }
