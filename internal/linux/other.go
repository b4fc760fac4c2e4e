//go:build !linux

package linux

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Signals that not every system has: none is sent here.
const (
	SIGCONT  = syscall.Signal(18)
	SIGSTOP  = syscall.Signal(19)
	SIGWINCH = syscall.Signal(28)
)

// Only returns an error.
func Only() error { return errLinuxOnly }

// OpenNamed is for Linux only.
func OpenNamed(string, int, fs.FileMode) (*os.File, error) { return nil, errLinuxOnly }

// OpenFolder is for Linux only.
func OpenFolder(string) (*os.File, error) { return nil, errLinuxOnly }

// TryLock is for Linux only.
func TryLock(*os.File) error { return errLinuxOnly }

// TryShare is for Linux only.
func TryShare(*os.File) error { return errLinuxOnly }

// Owner is not known here.
func Owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

// Inode is not known here.
func Inode(fs.FileInfo) uint64 { return 0 }

// Device is not known here.
func Device(fs.FileInfo) uint64 { return 0 }

// MayChange is for Linux only.
func MayChange(string) error { return errLinuxOnly }

// Gettid returns 0.
func Gettid() int { return 0 }

// Interrupt does nothing.
func Interrupt(int) {}

// CanInterrupt reports true: no call waits in the kernel here.
func CanInterrupt() bool { return true }

// RegisterBarrier reports false.
func RegisterBarrier() bool { return false }

// Barrier reports false.
func Barrier() bool { return false }

// Nanosleep is time.Sleep.
func Nanosleep(d time.Duration) { time.Sleep(d) }

// Monotonic returns 0.
func Monotonic() time.Duration { return 0 }

// CPUTime returns 0.
func CPUTime() time.Duration { return 0 }

// NewSession returns nil.
func NewSession() *syscall.SysProcAttr { return nil }

// AwaitStop does nothing.
func AwaitStop(int) {}

// Alive reports false.
func Alive(int) bool { return false }

// IsTerminal reports false.
func IsTerminal(*os.File) bool { return false }

// TerminalSize returns 0.
func TerminalSize(*os.File) (rows, columns int) { return 0, 0 }

// AwaitRead is for Linux only.
func AwaitRead(*os.File) error { return errLinuxOnly }

// AwaitWrite is for Linux only.
func AwaitWrite(*os.File) error { return errLinuxOnly }

// AwaitHangup reports false.
func AwaitHangup(_, _ *os.File) bool { return false }

// errLinuxOnly is errors.ErrUnsupported, too.
var errLinuxOnly error = linuxOnly{}

type linuxOnly struct{}

func (linuxOnly) Error() string { return "a bus is Linux only: this system has no such calls" }
func (linuxOnly) Unwrap() error { return syscall.ENOSYS }
