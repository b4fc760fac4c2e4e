//go:build linux

package host

import (
	"os"
	"strconv"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"shmbus/bus"
	"shmbus/internal/testproc"
)

// A sandbox without System V IPC, as some seccomp profiles make it, is named by the error,
// whichever call it refuses and however.
func TestSandboxes(t *testing.T) {
	for _, tt := range []struct {
		name string
		call int
		says string
	}{
		{"shmget", unix.SYS_SHMGET, "no System V shared memory"},
		{"shmat", unix.SYS_SHMAT, "no System V shared memory"},
		{"semget", unix.SYS_SEMGET, "no System V semaphores"},
		{"semop", unix.SYS_SEMOP, "no System V semaphores"},
	} {
		for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
			t.Run(tt.name+" "+unix.ErrnoName(errno), func(t *testing.T) {
				dir := folder(t, user{}, 0o755)
				if tt.name == "semop" {
					// TryOp is either of the two.
					t.Setenv("ALSO", strconv.Itoa(unix.SYS_SEMTIMEDOP))
				}
				r := ask(t, "filter", testproc.Env("CALL", strconv.Itoa(tt.call)), testproc.Env("ERRNO", strconv.Itoa(int(errno))))
				require.Contains(t, r["create"], tt.says)
				require.Contains(t, r["create"], "seccomp")
				require.Empty(t, r["left"])
				nothing(t, dir)
			})
		}
	}
}

// filterRole creates a bus in a process that may not do a system call.
func filterRole(c *testproc.Child) {
	number := func(name string) uint32 {
		n, err := strconv.Atoi(os.Getenv(name))
		c.Check(err)
		return uint32(n)
	}
	calls := []uint32{number("CALL")}
	if os.Getenv("ALSO") != "" {
		calls = append(calls, number("ALSO"))
	}
	c.Check(refuse(unix.Errno(number("ERRNO")), calls...))
	_, err := bus.Create(busName, bus.WithSlots(64))
	c.Say("report", report{"create": text(err), "left": leftBehind(c, os.Getenv("SHMBUS_DIR"))})
}

// refuse makes system calls fail in all threads of this process.
func refuse(errno unix.Errno, calls ...uint32) error {
	load := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0} // the number of the call
	program := []unix.SockFilter{load}
	for _, c := range calls {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c, Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	}
	program = append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}
