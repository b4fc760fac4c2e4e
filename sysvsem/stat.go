package sysvsem

import (
	"io/fs"
	"time"
)

// Stat is the kernel's record of a set.
type Stat struct {
	ID         int         // identifier, as from [Set.ID]
	Key        Key         // key it was created with, or Private
	NSems      int         // number of semaphores
	Mode       fs.FileMode // permission bits
	UID, GID   int         // owner
	CUID, CGID int         // creator
	OpTime     time.Time   // last successful operation; zero if there was none
	ChangeTime time.Time   // creation, or last change by semctl
	Seq        int         // generation of the identifier's slot
}

// Stat returns the kernel's record of the set. Times are in whole seconds.
func (s *Set) Stat() (Stat, error) {
	var ds semidDS
	if _, errno := semctlDS(s.id, ipcSTAT, &ds); errno != 0 {
		return Stat{}, s.ctlError("semctl(IPC_STAT)", errno)
	}
	return ds.stat(s.id), nil
}

func (ds *semidDS) stat(id int) Stat {
	return Stat{
		ID:         id,
		Key:        ds.Perm.Key,
		NSems:      int(ds.Nsems),
		Mode:       fs.FileMode(ds.Perm.Mode).Perm(),
		UID:        int(ds.Perm.Uid),
		GID:        int(ds.Perm.Gid),
		CUID:       int(ds.Perm.Cuid),
		CGID:       int(ds.Perm.Cgid),
		OpTime:     seconds(ds.Otime),
		ChangeTime: seconds(ds.Ctime),
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
