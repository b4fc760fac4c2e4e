package sysvsem

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// CheckUndo tries on semaphore n whether operations with [Undo] are taken back, and returns [ErrNoUndo] if they are
// not: there are runtimes that accept the flag and ignore it. Another error says that it could not be tried. The
// value is the same afterwards; nobody else operates on the semaphore meanwhile.
//
// It does not need a process that ends: a thread that gives up its undo values with unshare(CLONE_SYSVSEM) has them
// applied as if it were the last of its process. That thread ends with the try, so that the others go on sharing
// theirs; it is none that has started a process. Some sandboxes forbid unshare (EPERM, ENOSYS).
func (s *Set) CheckUndo(n uint16) error {
	result := make(chan error)
	over := make(chan struct{})
	defer close(over)
	var try func()
	try = func() {
		runtime.LockOSThread()
		if parent, err := isParent(); parent {
			go try() // in another thread, since this one is held
			<-over
			runtime.UnlockOSThread()
		} else if err != nil {
			runtime.UnlockOSThread()
			result <- s.newError("waitid", err, "whether Undo works cannot be tried in this sandbox")
		} else {
			result <- s.checkUndo(n) // never unlocked: the thread ends with the goroutine
		}
	}
	go try()
	return <-result
}

// isParent reports whether the calling thread has started a process that still runs or has not been waited for. The signal that a
// process gets when its parent dies (Pdeathsig) is in truth sent when the parent's thread does: such a thread must not end.
func isParent() (bool, error) {
	const look = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT // and change nothing
	err := unix.Waitid(unix.P_ALL, 0, nil, look|unix.WNOTHREAD|unix.WALL, nil)
	if err == unix.ECHILD {
		return false, nil
	}
	return err == nil, err
}

func (s *Set) checkUndo(n uint16) error {
	// From here on the thread shares no undo values with the process.
	if err := unix.Unshare(unix.CLONE_SYSVSEM); err != nil {
		return s.newError("unshare", err, "whether Undo works cannot be tried in this sandbox")
	}
	before, err := s.GetVal(int(n))
	if err != nil {
		return err
	}
	if err := s.TryOp([]Op{V(n).With(Undo)}); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_SYSVSEM); err != nil {
		return s.newError("unshare", err, "whether Undo works cannot be tried in this sandbox")
	}
	after, err := s.GetVal(int(n))
	if err != nil || after == before {
		return err
	}
	if err := s.TryOp([]Op{P(n).With(Undo)}); err != nil {
		return err
	}
	return &Error{Op: "semop", ID: s.id, Err: unix.EOPNOTSUPP, kind: ErrNoUndo, detail: detailNoUndo}
}
