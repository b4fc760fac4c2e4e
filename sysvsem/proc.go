package sysvsem

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// procPath lists all sets of the reader's IPC namespace, whoever may read them.
const procPath = "/proc/sysvipc/sem"

func readProc(path string) ([]Stat, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseProc(f)
}

// parseProc reads lines of: key semid perms nsems uid gid cuid cgid otime ctime,
// under a line of headings. Permissions are octal.
func parseProc(r io.Reader) ([]Stat, error) {
	var list []Stat
	lines := bufio.NewScanner(r)
	lines.Scan()
	for lines.Scan() {
		var st Stat
		var mode uint32
		var otime, ctime int64
		_, err := fmt.Sscanf(lines.Text(), "%d %d %o %d %d %d %d %d %d %d", &st.Key, &st.ID, &mode, &st.NSems,
			&st.UID, &st.GID, &st.CUID, &st.CGID, &otime, &ctime)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", procPath, lines.Text(), err)
		}
		st.Mode = fs.FileMode(mode).Perm()
		st.OpTime, st.ChangeTime = seconds(otime), seconds(ctime)
		list = append(list, st)
	}
	return list, lines.Err()
}
