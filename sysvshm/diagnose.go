package sysvshm

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	detailRemoved = "the segment was removed, or never was: get it again by its key"
	detailAccess  = "the segment's permission bits do not allow it: see ipcs -m -i ID and Segment.SetPerm"
	detailDenied  = "this kernel or sandbox has no System V shared memory: see CONFIG_SYSVIPC and the seccomp profile (containers, SystemCallFilter= of systemd)"
	detailOwner   = "only the segment's owner, its creator, or root may"
)

// gone reports whether there is certainly no segment with the identifier: IPC_STAT
// has no other reason to answer EINVAL.
func (s *Segment) gone() bool {
	var ds unix.SysvShmDesc
	_, err := unix.SysvShmCtl(s.id, unix.IPC_STAT, &ds)
	return err == unix.EINVAL || err == unix.EIDRM
}

// ctlError explains a failed command.
func (s *Segment) ctlError(call string, err error) error {
	e := &Error{Op: call, ID: s.id, Err: err}
	switch err {
	case unix.EIDRM, unix.EINVAL:
		if err == unix.EIDRM || s.gone() {
			e.kind, e.detail = ErrRemoved, detailRemoved
		}
	case unix.EACCES:
		e.detail = detailAccess
	case unix.EPERM:
		e.detail = detailOwner
	case unix.ENOSYS:
		e.detail = detailDenied
	case unix.ENOMEM:
		e.detail = "RLIMIT_MEMLOCK is reached: raise it with ulimit -l, or grant CAP_IPC_LOCK"
	}
	return e
}

// attachError explains a failed shmat.
func (s *Segment) attachError(err error) error {
	switch err {
	case unix.EPERM:
		return &Error{Op: "shmat", ID: s.id, Err: err, detail: detailDenied}
	case unix.ENOMEM:
		return &Error{
			Op: "shmat", ID: s.id, Err: err,
			detail: "no address space for it: see ulimit -v, and sysctl vm.max_map_count",
		}
	}
	return s.ctlError("shmat", err)
}

// getError explains a failed shmget.
func getError(key Key, size int, flags Flag, err error) error {
	e := &Error{Op: "shmget", ID: -1, Err: err}
	switch err {
	case unix.ENOENT:
		e.detail = "no such segment: create it with the flag Create"
	case unix.EEXIST:
		e.detail = "there is a segment already: leave out Exclusive to share it"
	case unix.EACCES:
		e.detail = detailAccess
	case unix.EIDRM:
		e.kind, e.detail = ErrRemoved, "the segment is being removed: try again"
	case unix.ENOSPC:
		e.detail = describeFull(size)
	case unix.EINVAL:
		e.detail, e.kind = describeBadSize(key, size, flags)
	case unix.ENOMEM, unix.EPERM, unix.ENOSYS:
		switch {
		case flags&HugeTLB != 0:
			e.kind, e.detail = ErrNoHugePages, describeHuge(size, err)
		case err != unix.ENOMEM:
			e.detail = detailDenied
		default:
			e.detail = fmt.Sprintf("no memory for %d bytes: see free, and sysctl vm.overcommit_memory", size)
		}
	}
	if key != Private {
		e.detail = fmt.Sprintf("key %#08x: %s", uint32(key), e.detail)
	}
	return e
}

// describeBadSize says why a size is not accepted, and which sentinel stands for it.
func describeBadSize(key Key, size int, flags Flag) (detail string, kind error) {
	if key != Private {
		if id, err := unix.SysvShmGet(int(key), 0, 0); err == nil {
			const advice = "ask for 0 to accept any"
			st, err := FromID(id).Stat()
			if err != nil {
				return fmt.Sprintf("segment %d is smaller than %d bytes: %s", id, size, advice), ErrTooLarge
			}
			return fmt.Sprintf("%d bytes asked for, segment %d has %d: %s", size, id, st.Size, advice), ErrTooLarge
		}
	}
	l, err := Limits()
	switch {
	case err == nil && uint64(size) > l.MaxSize:
		return fmt.Sprintf("%d bytes, SHMMAX allows %d: raise it: sysctl -w kernel.shmmax=%d",
			size, l.MaxSize, size), ErrTooLarge
	case size == 0:
		return "0 bytes: a new segment needs at least one", nil
	case flags&HugeTLB != 0:
		return describeHuge(size, unix.EINVAL), ErrNoHugePages
	}
	return fmt.Sprintf("%d bytes", size), nil
}

// describeFull says which of the system's two limits size more bytes exceed.
func describeFull(size int) string {
	l, err := Limits()
	if err != nil {
		return "SHMMNI or SHMALL is reached"
	}
	u, err := Usage()
	if err != nil {
		return "SHMMNI or SHMALL is reached"
	}
	const remove = "remove unused segments (ipcs -m, ipcrm -m ID) or raise it: "
	page := uint64(os.Getpagesize())
	pages := (uint64(size) + page - 1) / page
	if u.Pages+pages > l.Pages {
		return fmt.Sprintf("%d pages of %d bytes exist and %d more exceed SHMALL (%d): "+remove+"sysctl -w kernel.shmall=%d",
			u.Pages, page, pages, l.Pages, u.Pages+pages)
	}
	return fmt.Sprintf("%d segments exist, SHMMNI allows %d: "+remove+"sysctl -w kernel.shmmni=%d",
		u.Segments, l.Segments, max(l.Segments*2, u.Segments+1))
}

// describeHuge says what stands between the caller and huge pages.
func describeHuge(size int, err error) string {
	switch err {
	case unix.EPERM:
		return fmt.Sprintf("huge pages need CAP_IPC_LOCK or membership in the group vm.hugetlb_shm_group (%s): "+
			"sysctl -w vm.hugetlb_shm_group=GID", sysctl("hugetlb_shm_group"))
	case unix.ENOSYS:
		return "this kernel has no huge pages (CONFIG_HUGETLBFS)"
	case unix.EINVAL:
		return "this machine has no huge pages of that size: see /sys/kernel/mm/hugepages"
	}
	return fmt.Sprintf("not enough free huge pages for %d bytes (vm.nr_hugepages is %s): set some aside: "+
		"sysctl -w vm.nr_hugepages=N, or leave out HugeTLB", size, sysctl("nr_hugepages"))
}

// sysctl reads a setting of vm, for the text of an error only.
func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/vm/" + name)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}
