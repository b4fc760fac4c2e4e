// Package linux makes the few system calls that the bus and its commands need beyond those of
// System V and of package os. On other systems everything that uses it compiles, and its calls
// return errors that are errors.ErrUnsupported, or nothing.
package linux
