package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"shmbus/sysvshm"
)

// checkRemoveIPC warns of systemd-logind. By default it removes all System V objects of a user when
// the user's last session ends, except for system users.
func (d *doctor) checkRemoveIPC(known knownBuses) error {
	if _, err := os.Stat(d.root + "/run/systemd/seats"); err != nil {
		return nil // logind does not run
	}
	where, on, err := d.removeIPC()
	if err != nil || !on {
		return err
	}
	users := map[int][]string{d.uid: nil}
	for _, i := range known.live {
		if st, err := sysvshm.FromID(i.ShmID).Stat(); err == nil {
			users[st.UID] = append(users[st.UID], i.Name)
		}
	}
	lastSystem := d.lastSystemUID()
	for uid, buses := range users {
		if uid <= lastSystem || d.lingers(uid) {
			continue
		}
		what := "buses made by this user"
		if len(buses) > 0 {
			what = "bus " + strings.Join(buses, ", ")
		}
		d.add(finding{
			Check: "remove-ipc", Severity: warning,
			Text:   fmt.Sprintf("systemd-logind removes %s when user %d logs out (RemoveIPC=yes, %s)", what, uid, where),
			Advice: fmt.Sprintf("run busd as a system user, or loginctl enable-linger %d, or set RemoveIPC=no in /etc/systemd/logind.conf", uid),
		})
	}
	return nil
}

// removeIPC reads the setting as logind does: the first main file that exists, then the drop-ins in
// the order of their names. A drop-in in /etc hides others of its name.
func (d *doctor) removeIPC() (where string, on bool, err error) {
	where, on = "its default", true
	folders := []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"}
	var files []string
	for _, f := range folders {
		path := f + "/logind.conf"
		if _, err := os.Stat(d.root + path); err == nil {
			files = append(files, path)
			break
		}
	}
	dropIns := map[string]string{}
	for _, f := range folders {
		found, _ := filepath.Glob(d.root + f + "/logind.conf.d/*.conf")
		for _, path := range found {
			name := filepath.Base(path)
			if _, hidden := dropIns[name]; !hidden {
				dropIns[name] = f + "/logind.conf.d/" + name
			}
		}
	}
	names := make([]string, 0, len(dropIns))
	for name := range dropIns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		files = append(files, dropIns[name])
	}
	for _, path := range files {
		b, err := os.ReadFile(d.root + path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return "", false, err
		}
		if value, ok := setting(b, "Login", "RemoveIPC"); ok {
			where, on = path, truth(value)
		}
	}
	return where, on, nil
}

// setting returns the last value of a key in a section of a systemd configuration file.
func setting(file []byte, section, key string) (value string, ok bool) {
	in := false
	for lines := bufio.NewScanner(bytes.NewReader(file)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			in = line == "["+section+"]"
			continue
		}
		if k, v, found := strings.Cut(line, "="); in && found && strings.TrimSpace(k) == key {
			value, ok = strings.TrimSpace(v), true
		}
	}
	return value, ok
}

func truth(s string) bool {
	return slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(s))
}

// lastSystemUID returns the highest number of a system user.
func (d *doctor) lastSystemUID() int {
	const usual = 999
	b, err := os.ReadFile(d.root + "/etc/login.defs")
	if err != nil {
		return usual
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] == "SYS_UID_MAX" {
			if n, err := strconv.Atoi(f[1]); err == nil {
				return n
			}
		}
	}
	return usual
}

// lingers reports whether logind treats the user's sessions as never ending.
func (d *doctor) lingers(uid int) bool {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return false
	}
	_, err = os.Stat(d.root + "/var/lib/systemd/linger/" + u.Username)
	return err == nil
}
