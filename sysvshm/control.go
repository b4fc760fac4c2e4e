package sysvshm

import (
	"io/fs"
	"syscall"
	"time"

	"shmbus/internal/sysv"
)

// Commands of shmctl beyond those of all System V objects.
const (
	cmdSHMLOCK    = 11
	cmdSHMUNLOCK  = 12
	cmdSHMSTAT    = 13
	cmdSHMINFO    = 14
	cmdSHMSTATANY = 15

	// Bits of the mode that only the kernel sets.
	modeDest   = 0o1000
	modeLocked = 0o2000
)

// Stat is the kernel's record of a segment.
type Stat struct {
	ID         int         // identifier, as from [Segment.ID]
	Key        Key         // key it was created with; Private once it is removed
	Size       int         // bytes
	Mode       fs.FileMode // permission bits
	UID, GID   int         // owner
	CUID, CGID int         // creator
	CreatorPID int         // process that created it
	LastPID    int         // process that last attached or detached; 0 if none did
	Attached   int         // mappings of all processes
	AttachTime time.Time   // last attach; zero if there was none
	DetachTime time.Time   // last detach; zero if there was none
	ChangeTime time.Time   // creation, or last change by SetPerm
	Destroy    bool        // removed; the last detach frees it (SHM_DEST)
	Locked     bool        // held in memory (SHM_LOCKED)
	Seq        int         // generation of the identifier's slot; [List] before Linux 4.17 has 0
}

// Stat returns the kernel's record of the segment. Times are in whole seconds.
func (s *Segment) Stat() (Stat, error) {
	st, errno := readStat(s.ID(), sysv.Stat)
	if errno != 0 {
		return Stat{}, s.ctlError("shmctl(IPC_STAT)", errno)
	}
	return st, nil
}

// segments is the kernel's table of all segments.
var segments = sysv.Table[Stat]{
	File: "/proc/sysvipc/shm",
	Any:  cmdSHMSTATANY,
	Own:  cmdSHMSTAT,
	Stat: readStat,
	OfRow: func(r sysv.Row) Stat {
		return Stat{
			ID:         r.Int("shmid"),
			Key:        Key(r["key"]),
			Size:       r.Int("size"),
			Mode:       fs.FileMode(r["perms"]).Perm(),
			UID:        r.Int("uid"),
			GID:        r.Int("gid"),
			CUID:       r.Int("cuid"),
			CGID:       r.Int("cgid"),
			CreatorPID: r.Int("cpid"),
			LastPID:    r.Int("lpid"),
			Attached:   r.Int("nattch"),
			AttachTime: r.Time("atime"),
			DetachTime: r.Time("dtime"),
			ChangeTime: r.Time("ctime"),
			Destroy:    r["perms"]&modeDest != 0,
			Locked:     r["perms"]&modeLocked != 0,
		}
	},
}

// List returns the records of all segments of this IPC namespace, including those that the caller
// may not read, in the order of the kernel's table. It may have or lack segments that are created
// or removed meanwhile.
func List() ([]Stat, error) {
	usage, err := Usage()
	if err != nil {
		return nil, err
	}
	return segments.List(usage.Segments, usage.MaxIndex), nil
}

// SetPerm changes the owner and the permission bits of the segment. A uid or gid of -1 leaves the
// owner or group as it is. Only the owner, the creator, and root may do this.
func (s *Segment) SetPerm(uid, gid int, mode fs.FileMode) error {
	if r, bad := sysv.BadOwner(uid, gid); bad {
		return fail("shmctl(IPC_SET)", s.ID(), syscall.EINVAL, r)
	}
	if errno := setPerm(s.ID(), uid, gid, mode); errno != 0 {
		return s.ctlError("shmctl(IPC_SET)", errno)
	}
	return nil
}

// Remove marks the segment for destruction. Its key is free at once; the kernel frees the memory
// when the last process has detached it. Only the owner, the creator, and root may remove it.
func (s *Segment) Remove() error { return s.command("shmctl(IPC_RMID)", sysv.Remove) }

// Lock keeps the segment's pages from being swapped out, once they are in memory. The caller needs
// CAP_IPC_LOCK, or must own or have created the segment and have room under RLIMIT_MEMLOCK.
func (s *Segment) Lock() error { return s.command("shmctl(SHM_LOCK)", cmdSHMLOCK) }

// Unlock ends the effect of Lock.
func (s *Segment) Unlock() error { return s.command("shmctl(SHM_UNLOCK)", cmdSHMUNLOCK) }

func (s *Segment) command(call string, cmd int) error {
	if errno := shmctl(s.ID(), cmd); errno != 0 {
		return s.ctlError(call, errno)
	}
	return nil
}
