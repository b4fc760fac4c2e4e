package registry

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors for errors.Is.
var (
	ErrExists = error(exists{})
	ErrName   = errors.New("invalid bus name")
)

// exists is an error in which errors.Is finds fs.ErrExist.
type exists struct{}

func (exists) Error() string        { return "the bus exists already" }
func (exists) Is(target error) bool { return target == fs.ErrExist }

// absent is the text of an error in which errors.Is finds fs.ErrNotExist.
type absent string

func (e absent) Error() string        { return string(e) }
func (e absent) Is(target error) bool { return target == fs.ErrNotExist }

// A NotFoundError says that there is no bus of a name, and which buses there are. errors.Is finds
// fs.ErrNotExist in it.
type NotFoundError struct {
	Name      string
	Dirs      []string  // where key files were looked for
	Known     []string  // buses that exist there
	Lost      []LostBus // segments of buses of that name, for which no key file was found anywhere
	Elsewhere []LostBus // segments of buses of that name, which a key file in another folder names
}

func (e *NotFoundError) Error() string        { return fmt.Sprintf("there is no bus %q", e.Name) }
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

func notFound(dirs []string, name string) error {
	lost, elsewhere := lostBuses(dirs, name)
	return &NotFoundError{Name: name, Dirs: dirs, Known: knownNames(dirs), Lost: lost,
		Elsewhere: elsewhere}
}
