package sysvsem

import (
	"runtime"
	"syscall"

	"shmbus/internal/sysv"
)

// untried is the reason given if a system call that CheckUndo needs fails.
var untried = sysv.Reason{Detail: "whether Undo works cannot be tried in this sandbox"}

// CheckUndo tests on semaphore n whether operations with [Undo] are taken back, and returns
// [ErrNoUndo] if they are not: some runtimes accept the flag and ignore it. Any other error means
// that the test was not possible. The value is the same afterwards. No other process may operate on
// the semaphore meanwhile.
//
// The test ends no process. Instead, a thread that shares its undo values with no other thread
// leaves its list with unshare(CLONE_SYSVSEM), and the kernel applies these values as if the
// process had ended. The thread ends with the test; the other threads continue to share their list.
// CheckUndo chooses a thread that has started no process. Some sandboxes forbid unshare (EPERM,
// ENOSYS).
func (s *Set) CheckUndo(n uint16) error {
	if _, err := s.GetVal(int(n)); err != nil {
		return err
	}
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
			result <- s.fail("waitid", err, untried)
		} else {
			result <- s.checkUndo(n) // never unlocked: the thread ends with the goroutine
		}
	}
	go try()
	return <-result
}

func (s *Set) checkUndo(n uint16) error {
	// From here on the thread shares no undo values with the process.
	if err := dropUndo(); err != nil {
		return s.fail("unshare", err, untried)
	}
	before, err := s.GetVal(int(n))
	if err != nil {
		return err
	}
	if err := s.TryOp([]Op{V(n).With(Undo)}); err != nil {
		return err
	}
	if err := dropUndo(); err != nil {
		return s.fail("unshare", err, untried)
	}
	after, err := s.GetVal(int(n))
	if err != nil || after == before {
		return err
	}
	if err := s.TryOp([]Op{P(n).With(Undo)}); err != nil {
		return err
	}
	return s.fail("semop", syscall.EOPNOTSUPP, sysv.Reason{Kind: ErrNoUndo, Detail: detailNoUndo})
}
