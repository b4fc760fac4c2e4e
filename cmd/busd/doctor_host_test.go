//go:build linux

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/bus"
	"shmbus/internal/testproc"
	"shmbus/sysvsem"
	"shmbus/sysvshm"
)

func asUser(id uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
}

func TestDoctorLimits(t *testing.T) {
	semOK := sysvsem.SystemLimits{SemsPerSet: 32000, Sems: 1024000000, OpsPerCall: 500, Sets: 32000}
	shmOK := sysvshm.SystemLimits{MaxSize: 1 << 62, Pages: 1 << 50, Segments: 4096}
	for _, tt := range []struct {
		name   string
		change func(*sysvsem.SystemLimits, *sysvsem.SystemUsage, *sysvshm.SystemLimits, *sysvshm.SystemUsage)
		text   string
		advice string
	}{
		{"enough", func(*sysvsem.SystemLimits, *sysvsem.SystemUsage, *sysvshm.SystemLimits, *sysvshm.SystemUsage) {}, "", ""},
		{"semmsl", func(l *sysvsem.SystemLimits, _ *sysvsem.SystemUsage, _ *sysvshm.SystemLimits, _ *sysvshm.SystemUsage) {
			l.SemsPerSet = 250
		},
			"SEMMSL allows 250 semaphores in a set, a bus needs 705", `sysctl -w kernel.sem="705 1024000000 500 32000"`},
		{"semmns", func(l *sysvsem.SystemLimits, u *sysvsem.SystemUsage, _ *sysvshm.SystemLimits, _ *sysvshm.SystemUsage) {
			l.Sems, u.Sems = 1000, 300
		},
			"SEMMNS allows 1000 semaphores, 300 exist", "kernel.sem=\"32000 1005 500 32000\""},
		{"semmni", func(l *sysvsem.SystemLimits, u *sysvsem.SystemUsage, _ *sysvshm.SystemLimits, _ *sysvshm.SystemUsage) {
			l.Sets, u.Sets = 128, 128
		},
			"SEMMNI allows 128 semaphore sets, and 128 exist", "500 129\""},
		{"semopm", func(l *sysvsem.SystemLimits, _ *sysvsem.SystemUsage, _ *sysvshm.SystemLimits, _ *sysvshm.SystemUsage) {
			l.OpsPerCall = 2
		},
			"SEMOPM allows 2", "kernel.sem"},
		{"shmmax", func(_ *sysvsem.SystemLimits, _ *sysvsem.SystemUsage, l *sysvshm.SystemLimits, _ *sysvshm.SystemUsage) {
			l.MaxSize = 1 << 20
		},
			"SHMMAX allows segments of 1 MiB", "sysctl -w kernel.shmmax="},
		{"shmall", func(_ *sysvsem.SystemLimits, _ *sysvsem.SystemUsage, l *sysvshm.SystemLimits, u *sysvshm.SystemUsage) {
			l.Pages, u.Pages = 100, 200
		},
			"SHMALL allows 100 pages in all segments, 200 exist", "sysctl -w kernel.shmall="},
		{"shmmni", func(_ *sysvsem.SystemLimits, _ *sysvsem.SystemUsage, l *sysvshm.SystemLimits, u *sysvshm.SystemUsage) {
			l.Segments, u.Segments = 9, 9
		},
			"SHMMNI allows 9 segments", "sysctl -w kernel.shmmni=25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sem, shm, semU, shmU := semOK, shmOK, sysvsem.SystemUsage{}, sysvshm.SystemUsage{}
			tt.change(&sem, &semU, &shm, &shmU)
			d := &doctor{
				semLimits: func() (sysvsem.SystemLimits, error) { return sem, nil }, semUsage: func() (sysvsem.SystemUsage, error) { return semU, nil },
				shmLimits: func() (sysvshm.SystemLimits, error) { return shm, nil }, shmUsage: func() (sysvshm.SystemUsage, error) { return shmU, nil },
			}
			require.NoError(t, d.checkLimits())
			if tt.text == "" {
				require.Empty(t, d.findings)
				return
			}
			require.Len(t, d.findings, 1)
			require.Contains(t, d.findings[0].Text, tt.text)
			require.Contains(t, d.findings[0].Advice, tt.advice)
			require.Equal(t, 1, d.remaining())
		})
	}
}

func TestDoctorRemoveIPC(t *testing.T) {
	type files map[string]string
	const logind = "/run/systemd/seats/x"
	for _, tt := range []struct {
		name  string
		files files
		uid   int
		where string // "" for no finding
	}{
		{"no logind", files{}, 1000, ""},
		{"default", files{logind: ""}, 1000, "its default"},
		{"commented", files{logind: "", "/etc/systemd/logind.conf": "[Login]\n#RemoveIPC=no\n"}, 1000, "its default"},
		{"off", files{logind: "", "/etc/systemd/logind.conf": "[Login]\nRemoveIPC = no\n"}, 1000, ""},
		{"other section", files{logind: "", "/etc/systemd/logind.conf": "[Other]\nRemoveIPC=no\n"}, 1000, "its default"},
		{"root", files{logind: ""}, 0, ""},
		{"system user", files{logind: ""}, 999, ""},
		{"system user by login.defs", files{logind: "", "/etc/login.defs": "# x\nSYS_UID_MAX\t\t499\n"}, 500, "its default"},
		{"drop-in beats main file", files{logind: "", "/etc/systemd/logind.conf": "[Login]\nRemoveIPC=yes\n",
			"/usr/lib/systemd/logind.conf.d/10.conf": "[Login]\nRemoveIPC=off\n"}, 1000, ""},
		{"last drop-in wins", files{logind: "", "/etc/systemd/logind.conf.d/10.conf": "[Login]\nRemoveIPC=no\n",
			"/run/systemd/logind.conf.d/20.conf": "[Login]\nRemoveIPC=1\n"}, 1000, "/run/systemd/logind.conf.d/20.conf"},
		{"drop-in in etc hides another", files{logind: "", "/etc/systemd/logind.conf.d/10.conf": "",
			"/usr/lib/systemd/logind.conf.d/10.conf": "[Login]\nRemoveIPC=no\n"}, 1000, "its default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &doctor{root: t.TempDir(), uid: tt.uid}
			for path, text := range tt.files {
				path = d.root + path
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			require.NoError(t, d.checkRemoveIPC(knownBuses{}))
			if tt.where == "" {
				require.Empty(t, d.findings)
				return
			}
			require.Len(t, d.findings, 1)
			require.Equal(t, warning, d.findings[0].Severity)
			require.Contains(t, d.findings[0].Text, tt.where)
			require.Zero(t, d.remaining(), "a warning is no problem")
		})
	}
}

func TestDoctorRemoveIPCOfABusOfAUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to give a bus away")
	}
	testproc.Folder(t)
	b := makeBus(t, "prices")
	require.NoError(t, sysvshm.FromID(b.ShmID()).SetPerm(4242, -1, 0o600))
	d := &doctor{root: t.TempDir()}
	require.NoError(t, os.MkdirAll(d.root+"/run/systemd/seats", 0o755))
	infos, err := bus.List()
	require.NoError(t, err)
	require.NoError(t, d.checkRemoveIPC(knownBuses{live: infos}))
	require.Len(t, d.findings, 1)
	require.Contains(t, d.findings[0].Text, "removes bus prices when user 4242 logs out")
}
