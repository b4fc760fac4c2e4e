package sysvshm

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// procPath lists all segments of the reader's IPC namespace, whoever may read them.
const procPath = "/proc/sysvipc/shm"

func readProc(path string) ([]Stat, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseProc(f)
}

// parseProc reads lines of: key shmid perms size cpid lpid nattch uid gid cuid cgid
// atime dtime ctime rss swap, under a line of headings. Permissions are octal; the
// last two columns are not needed.
func parseProc(r io.Reader) ([]Stat, error) {
	var list []Stat
	lines := bufio.NewScanner(r)
	lines.Scan()
	for lines.Scan() {
		var st Stat
		var mode uint32
		var atime, dtime, ctime int64
		_, err := fmt.Sscanf(lines.Text(), "%d %d %o %d %d %d %d %d %d %d %d %d %d %d", &st.Key, &st.ID, &mode,
			&st.Size, &st.CreatorPID, &st.LastPID, &st.Attached, &st.UID, &st.GID, &st.CUID, &st.CGID,
			&atime, &dtime, &ctime)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", procPath, lines.Text(), err)
		}
		st.Mode = fs.FileMode(mode).Perm()
		st.Destroy, st.Locked = mode&modeDest != 0, mode&modeLocked != 0
		st.AttachTime, st.DetachTime, st.ChangeTime = seconds(atime), seconds(dtime), seconds(ctime)
		list = append(list, st)
	}
	return list, lines.Err()
}
