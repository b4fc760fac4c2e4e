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
// applied as if it were the last of its process. The thread is one of its own, which ends with the try,
// so that those of the process are not touched. Some sandboxes forbid unshare (EPERM, ENOSYS).
func (s *Set) CheckUndo(n uint16) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		result <- s.checkUndo(n)
	}()
	return <-result
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
