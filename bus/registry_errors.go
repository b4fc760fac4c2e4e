package bus

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors of names and key files.
var (
	errExists = error(exists{})
	errName   = errors.New("invalid bus name")
)

// exists is an error that errors.Is finds to be fs.ErrExist.
type exists struct{}

func (exists) Error() string        { return "the bus exists already" }
func (exists) Is(target error) bool { return target == fs.ErrExist }

// A notFoundError says which buses there are instead of one that was looked for. errors.Is finds it to be fs.ErrNotExist.
type notFoundError struct {
	name      string
	dirs      []string  // where key files were looked for
	known     []string  // buses that exist there
	lost      []lostBus // segments of buses of that name, for which no key file was found anywhere
	elsewhere []lostBus // of those that a key file in another folder names
}

func (e *notFoundError) Error() string        { return fmt.Sprintf("there is no bus %q", e.name) }
func (e *notFoundError) Is(target error) bool { return target == fs.ErrNotExist }

func notFound(dirs []string, name string) error {
	lost, elsewhere := lostBuses(dirs, name)
	return &notFoundError{name: name, dirs: dirs, known: knownNames(dirs), lost: lost, elsewhere: elsewhere}
}
