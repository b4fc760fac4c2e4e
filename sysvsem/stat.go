package sysvsem

import (
	"io/fs"
	"time"

	"shmbus/internal/sysv"
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
	Seq        int         // generation of the identifier's slot; [List] before Linux 4.17 has 0
}

// Stat returns the kernel's record of the set. Times are in whole seconds.
func (s *Set) Stat() (Stat, error) {
	st, errno := readStat(s.ID(), sysv.Stat)
	if errno != 0 {
		return Stat{}, s.ctlError("semctl(IPC_STAT)", errno)
	}
	return st, nil
}

// sets is the kernel's table of all sets.
var sets = sysv.Table[Stat]{
	File: "/proc/sysvipc/sem",
	Any:  cmdSEMSTATANY,
	Own:  cmdSEMSTAT,
	Stat: readStat,
	OfRow: func(r sysv.Row) Stat {
		return Stat{
			ID:         r.Int("semid"),
			Key:        Key(r["key"]),
			NSems:      r.Int("nsems"),
			Mode:       fs.FileMode(r["perms"]).Perm(),
			UID:        r.Int("uid"),
			GID:        r.Int("gid"),
			CUID:       r.Int("cuid"),
			CGID:       r.Int("cgid"),
			OpTime:     r.Time("otime"),
			ChangeTime: r.Time("ctime"),
		}
	},
}

// List returns the records of all sets of this IPC namespace, including those that the caller may
// not read, in the order of the kernel's table. It may have or lack sets that are created or
// removed meanwhile.
func List() ([]Stat, error) {
	usage, err := Usage()
	if err != nil {
		return nil, err
	}
	return sets.List(usage.Sets, usage.MaxIndex), nil
}
