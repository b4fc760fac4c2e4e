package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"

	"shmbus/internal/linux"
	"shmbus/internal/segment"
	"shmbus/layout"
)

// ValidName reports what is wrong with the name of a bus: 1 to 63 letters, digits, dots, dashes and
// underscores, the first a letter or a digit.
func ValidName(name string) error {
	ok := name != "" && len(name) < layout.NameSize
	for i := 0; i < len(name) && ok; i++ {
		c := name[i]
		alnum := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		ok = alnum || i > 0 && (c == '.' || c == '-' || c == '_')
	}
	if !ok {
		return fmt.Errorf("%w %q: use 1 to 63 letters, digits, dots, dashes and underscores, the "+
			"first a letter or digit", ErrName, name)
	}
	return nil
}

const (
	KeySuffix   = ".shmbus"
	keyFileSize = 256 // bytes
)

// A KeyFile maps the name of a bus to its System V objects. It is a small JSON file. It is written
// under an exclusive flock on the file itself, which the kernel releases if its holder dies.
type KeyFile struct {
	Version int    `json:"shmbus"`
	State   string `json:"state"` // Creating or Ready
	UUID    string `json:"uuid"`
	Key     int32  `json:"key"`
	ShmID   int    `json:"shmid"`
	SemID   int    `json:"semid"`
	IPC     uint64 `json:"ipc"` // number of the IPC namespace; 0 if it is not known
	PID     int    `json:"pid"` // of the creator, in the pid namespace of the creator
	Sems    int    `json:"sems"`
}

const (
	Creating = "creating"
	Ready    = "ready"
)

func KeyPath(dir, name string) string { return filepath.Join(dir, name+KeySuffix) }

func nameOf(path string) string {
	base := filepath.Base(path)
	return base[:max(0, len(base)-len(KeySuffix))]
}

// findKeyFile returns the path of the key file of a bus. The error is a *NotFoundError if there is
// none.
func findKeyFile(dirs []string, name string) (string, error) {
	var denied error
	for i, d := range dirs {
		if err := trusted(d); err != nil {
			if i == 0 { // see keyFiles
				denied = err
			}
			continue
		}
		path := KeyPath(d, name)
		if _, err := os.Lstat(path); err == nil {
			return path, nil
		} else if err := explainFolder(d, err); !errors.Is(err, fs.ErrNotExist) {
			denied = err
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", notFound(dirs, name)
}

func knownNames(dirs []string) []string {
	var names []string
	for i := range dirs {
		paths, _ := keyFiles(dirs, i)
		for _, p := range paths {
			names = append(names, nameOf(p))
		}
	}
	sort.Strings(names)
	return slices.Compact(names)
}

func ReadKeyFile(path string) (KeyFile, error) {
	f, err := openKeyFile(path, os.O_RDONLY, 0)
	if err != nil {
		return KeyFile{}, err
	}
	defer f.Close()
	return parseKeyFile(f, path)
}

func parseKeyFile(r io.Reader, path string) (KeyFile, error) {
	b, err := io.ReadAll(io.LimitReader(r, 4096))
	if err != nil {
		return KeyFile{}, err
	}
	var k KeyFile
	if len(b) == 0 {
		return k, nil // the file is new
	}
	if err := json.Unmarshal(b, &k); err != nil || k.Version != 1 {
		return KeyFile{}, fmt.Errorf("%s is not a key file of this version (%d bytes): remove "+
			"it, or use another name or SHMBUS_DIR", path, len(b))
	}
	return k, nil
}

// openKeyFile opens a key file. In a folder that others can write to, anything may have the name of
// a key file: openKeyFile does not follow a link into another folder, and does not wait for a pipe.
func openKeyFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := linux.OpenNamed(path, flags, mode&^keyFileWrite)
	if st, e := os.Lstat(path); err != nil && e == nil {
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			err = errSymlink
		case !st.Mode().IsRegular(): // a folder, a socket
			err = errIrregular
		}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: errIrregular}
	}
	return f, nil
}

var (
	errSymlink = errors.New("it is a symbolic link, which a key file never is: " +
		"remove it, or use another name or SHMBUS_DIR")
	errIrregular = errors.New("it is not a regular file, as a key file is: " +
		"remove it or give it another name, or use another name or SHMBUS_DIR")
)

// here returns an error that is fs.ErrNotExist if the key file was written in another IPC
// namespace. An object that has its key in this namespace has nothing to do with the bus.
func (k KeyFile) here(path string) error {
	here := IPCNamespace()
	if k.IPC == 0 || here == 0 || k.IPC == here {
		return nil
	}
	return segment.Gone(fmt.Sprintf("its key file %s was written in another IPC namespace "+
		"(ipc:[%d], this process is in ipc:[%d]): "+
		"containers that share a bus share that namespace (docker run --ipc), not only the "+
		"folder", path, k.IPC, here))
}

// IPCNamespace returns the number of this process's IPC namespace, or 0 if it is not known.
func IPCNamespace() uint64 {
	st, err := os.Stat("/proc/self/ns/ipc")
	if err != nil {
		return 0
	}
	return linux.Inode(st)
}
