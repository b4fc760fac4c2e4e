package sysvshm

import (
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Commands of shmctl that package unix does not name.
const (
	ipcINFO    = 3
	shmLOCK    = 11
	shmUNLOCK  = 12
	shmSTAT    = 13
	shmINFO    = 14
	shmSTATANY = 15

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
	Destroy    bool        // removed, and goes with the last detach (SHM_DEST)
	Locked     bool        // held in memory (SHM_LOCKED)
	Seq        int         // generation of the identifier's slot
}

// Stat returns the kernel's record of the segment. Times are in whole seconds.
func (s *Segment) Stat() (Stat, error) {
	var ds unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(s.id, unix.IPC_STAT, &ds); err != nil {
		return Stat{}, s.ctlError("shmctl(IPC_STAT)", err)
	}
	return newStat(s.id, &ds), nil
}

func newStat(id int, ds *unix.SysvShmDesc) Stat {
	return Stat{
		ID:         id,
		Key:        ds.Perm.Key,
		Size:       int(ds.Segsz),
		Mode:       fs.FileMode(ds.Perm.Mode).Perm(),
		UID:        int(ds.Perm.Uid),
		GID:        int(ds.Perm.Gid),
		CUID:       int(ds.Perm.Cuid),
		CGID:       int(ds.Perm.Cgid),
		CreatorPID: int(ds.Cpid),
		LastPID:    int(ds.Lpid),
		Attached:   int(ds.Nattch),
		AttachTime: seconds(ds.Atime),
		DetachTime: seconds(ds.Dtime),
		ChangeTime: seconds(ds.Ctime),
		Destroy:    ds.Perm.Mode&modeDest != 0,
		Locked:     ds.Perm.Mode&modeLocked != 0,
		Seq:        int(ds.Perm.Seq),
	}
}

// seconds maps the kernel's "never", which is 0, to the zero time.
func seconds(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// SetPerm changes the owner and the permission bits of the segment; uid or gid -1
// leaves it as it is. Only the owner, the creator, and root may.
func (s *Segment) SetPerm(uid, gid int, mode fs.FileMode) error {
	const call = "shmctl(IPC_SET)"
	var ds unix.SysvShmDesc
	if uid == -1 || gid == -1 {
		if _, err := unix.SysvShmCtl(s.id, unix.IPC_STAT, &ds); err != nil {
			return s.ctlError(call, err)
		}
	}
	if uid != -1 {
		ds.Perm.Uid = uint32(uid)
	}
	if gid != -1 {
		ds.Perm.Gid = uint32(gid)
	}
	ds.Perm.Mode = uint32(mode.Perm())
	if _, err := unix.SysvShmCtl(s.id, unix.IPC_SET, &ds); err != nil {
		return s.ctlError(call, err)
	}
	return nil
}

// Remove marks the segment for destruction. Its key is free at once; the memory goes
// when the last process has detached it. Only the owner, the creator, and root may.
func (s *Segment) Remove() error { return s.command("shmctl(IPC_RMID)", unix.IPC_RMID) }

// Lock keeps the segment's pages from being swapped out, once they are in memory. It
// needs CAP_IPC_LOCK, or ownership and room under RLIMIT_MEMLOCK.
func (s *Segment) Lock() error { return s.command("shmctl(SHM_LOCK)", shmLOCK) }

// Unlock takes Lock back.
func (s *Segment) Unlock() error { return s.command("shmctl(SHM_UNLOCK)", shmUNLOCK) }

func (s *Segment) command(call string, cmd int) error {
	if _, err := unix.SysvShmCtl(s.id, cmd, nil); err != nil {
		return s.ctlError(call, err)
	}
	return nil
}
