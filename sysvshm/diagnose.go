package sysvshm

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"shmbus/internal/sysv"
)

// gone reports whether there is certainly no segment with the identifier: IPC_STAT returns EINVAL
// for no other reason.
func (s *Segment) gone() bool {
	_, errno := readStat(s.ID(), sysv.Stat)
	return errno == syscall.EINVAL || errno == syscall.EIDRM
}

// ctlError explains a failed command.
func (s *Segment) ctlError(call string, errno syscall.Errno) error {
	reason := object.Control(errno, s.gone)
	if errno == syscall.ENOMEM {
		reason.Detail = "RLIMIT_MEMLOCK is reached: raise it with ulimit -l, or grant CAP_IPC_LOCK"
	}
	return fail(call, s.ID(), errno, reason)
}

// attachError explains a failed shmat.
func (s *Segment) attachError(errno syscall.Errno) error {
	reason := object.Control(errno, s.gone)
	switch errno {
	case syscall.EPERM:
		reason = object.Denied()
	case syscall.ENOMEM:
		reason.Detail = "no address space for the segment: see ulimit -v, and sysctl vm.max_map_count"
	}
	return fail("shmat", s.ID(), errno, reason)
}

// getError explains a failed shmget.
func getError(key Key, size int, flags Flag, errno syscall.Errno) error {
	reason := object.Find(errno)
	switch {
	case errno == syscall.ENOSPC:
		reason = full(size)
	case errno == syscall.EINVAL:
		reason = badSize(key, size, flags)
	case flags&HugeTLB != 0 && slices.Contains(noHugeErrnos, errno):
		reason = noHugePages(size, errno)
	case errno == syscall.ENOMEM:
		reason.Detail = fmt.Sprintf("no memory for %d bytes: see free, and sysctl vm.overcommit_memory",
			size)
	}
	return &Error{Op: "shmget", Key: key, ID: -1, Err: errno, reason: reason}
}

// badSize says why a size is not accepted.
func badSize(key Key, size int, flags Flag) sysv.Reason {
	if size < 0 {
		return sysv.Reason{Detail: fmt.Sprintf("negative size %d", size)}
	}
	if key != Private {
		if id, errno := shmget(key, 0, 0); errno == 0 {
			has := "less"
			if st, err := FromID(id).Stat(); err == nil {
				has = fmt.Sprint(st.Size)
			}
			return sysv.Reason{Kind: ErrTooLarge, Detail: fmt.Sprintf(
				"%d bytes asked for, segment %d has %s: ask for 0 to accept any", size, id, has)}
		}
	}
	l, err := Limits()
	switch {
	case err == nil && uint64(size) > l.MaxSize:
		return sysv.Reason{Kind: ErrTooLarge, Detail: fmt.Sprintf(
			"%d bytes, SHMMAX allows %d: raise it: sysctl -w kernel.shmmax=%d", size, l.MaxSize, size)}
	case size == 0:
		return sysv.Reason{Detail: "0 bytes: a new segment needs at least one"}
	case flags&HugeTLB != 0:
		return noHugePages(size, syscall.EINVAL)
	}
	return sysv.Reason{Detail: fmt.Sprintf("%d bytes", size)}
}

// full says which of the system's two limits size more bytes exceed.
func full(size int) sysv.Reason {
	l, err := Limits()
	u, errUsage := Usage()
	page := uint64(os.Getpagesize())
	pages := (uint64(size) + page - 1) / page
	switch {
	case err != nil || errUsage != nil:
		return object.Full("SHMMNI or SHMALL is reached", "")
	case u.Pages+pages > l.Pages:
		return object.Full(fmt.Sprintf("%d pages of %d bytes exist and %d more exceed SHMALL (%d)",
			u.Pages, page, pages, l.Pages), fmt.Sprintf("sysctl -w kernel.shmall=%d", u.Pages+pages))
	}
	return object.Full(fmt.Sprintf("%d segments exist, SHMMNI allows %d", u.Segments, l.Segments),
		fmt.Sprintf("sysctl -w kernel.shmmni=%d", max(l.Segments*2, u.Segments+1)))
}

// noHugeErrnos are the error numbers, other than EINVAL, with which shmget fails if it cannot use
// huge pages.
var noHugeErrnos = []syscall.Errno{syscall.ENOMEM, syscall.EPERM, syscall.ENOSYS}

// noHugePages says why the caller gets no huge pages.
func noHugePages(size int, errno syscall.Errno) sysv.Reason {
	return sysv.Reason{Kind: ErrNoHugePages, Detail: describeHuge(size, errno)}
}

func describeHuge(size int, errno syscall.Errno) string {
	switch errno {
	case syscall.EPERM:
		return fmt.Sprintf("huge pages need CAP_IPC_LOCK or membership in the group "+
			"vm.hugetlb_shm_group (%s): sysctl -w vm.hugetlb_shm_group=GID", sysctl("hugetlb_shm_group"))
	case syscall.ENOSYS:
		return "this kernel has no huge pages (CONFIG_HUGETLBFS)"
	case syscall.EINVAL:
		return "this machine has no huge pages of that size: see /sys/kernel/mm/hugepages"
	}
	return fmt.Sprintf("not enough free huge pages for %d bytes (vm.nr_hugepages is %s): set some "+
		"aside: sysctl -w vm.nr_hugepages=N, or leave out HugeTLB", size, sysctl("nr_hugepages"))
}

// sysctl reads a setting of vm, for the text of an error only.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/vm/" + name)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
