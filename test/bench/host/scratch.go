package host

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"shmbus/bus"
)

// scratchRoot is where scratch folders are made: in memory, so that a mapped file is shared memory.
func scratchRoot() string {
	const memory = "/dev/shm"
	var st unix.Statfs_t
	if unix.Statfs(memory, &st) == nil && st.Type == unix.TMPFS_MAGIC && unix.Access(memory, unix.W_OK) == nil {
		return memory
	}
	return os.TempDir()
}

// clear removes a session's scratch folder and what its workers, should they have been killed, have
// left: buses whose key files are there, and what the file "owed" names.
func clear(dir string) error {
	var errs []error
	if infos, err := bus.List(bus.WithDir(dir)); err == nil {
		for _, info := range infos {
			errs = append(errs, bus.Remove(info.Name, bus.WithDir(dir)))
		}
	}
	f, err := os.Open(filepath.Join(dir, "owed"))
	if err == nil {
		for s := bufio.NewScanner(f); s.Scan(); {
			errs = append(errs, forget(s.Text()))
		}
		f.Close()
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

// forget removes a kernel object, if it is there: "sem ID", "shm ID", "msg ID", "shm_open NAME" or
// "mq NAME".
func forget(object string) error {
	kind, name, _ := strings.Cut(object, " ")
	var id uintptr
	fmt.Sscan(name, &id)
	var errno unix.Errno
	switch kind {
	case "sem":
		_, _, errno = unix.Syscall6(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID, 0, 0, 0)
	case "shm":
		_, _, errno = unix.Syscall(unix.SYS_SHMCTL, id, unix.IPC_RMID, 0)
	case "msg":
		_, _, errno = unix.Syscall(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0)
	case "shm_open":
		errno = unlink("/dev/shm/" + strings.TrimPrefix(name, "/"))
	case "mq":
		errno = unlinkQueue(name)
	default:
		return fmt.Errorf("a worker owes %q, of a kind that is not known", object)
	}
	switch {
	case errno == 0, errno == unix.EINVAL, errno == unix.EIDRM, errno == unix.ENOENT:
		return nil
	}
	return fmt.Errorf("removing %s: %w", object, errno)
}

func unlink(path string) unix.Errno {
	var errno unix.Errno
	errors.As(os.Remove(path), &errno)
	return errno
}
