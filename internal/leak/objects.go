//go:build linux

package leak

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a descendant may take to die and let go of its objects. Tests shorten it.
var grace = 2 * time.Second

// object is one line of a table in /proc/sysvipc.
type object struct {
	kind string // shm, sem, msg: also the letter's source in ipcrm -m, -s, -q
	id   int
}

// objects returns the objects of this user and what the kernel says of them.
func objects() (map[object]string, error) {
	all := map[object]string{}
	for _, kind := range []string{"shm", "sem", "msg"} {
		f, err := os.Open("/proc/sysvipc/" + kind)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = parse(bufio.NewScanner(f), kind, os.Getuid(), all)
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parse reads a table: headings, then a line of numbers for each object. Objects whose
// creator is somebody else than uid are left out.
func parse(lines *bufio.Scanner, kind string, uid int, into map[object]string) error {
	if !lines.Scan() {
		return lines.Err()
	}
	names := strings.Fields(lines.Text())
	for lines.Scan() {
		id, creator := -1, -1
		var text strings.Builder
		for i, value := range strings.Fields(lines.Text()) {
			if i >= len(names) {
				break
			}
			switch names[i] {
			case kind + "id", "msqid":
				id, _ = strconv.Atoi(value)
			case "cuid":
				creator, _ = strconv.Atoi(value)
			}
			fmt.Fprintf(&text, " %s=%s", names[i], value)
		}
		if id < 0 {
			return fmt.Errorf("/proc/sysvipc/%s: no identifier in %q", kind, lines.Text())
		}
		// In a user namespace of one's own, unknown users are shown as nobody.
		if creator == uid {
			into[object{kind, id}] = text.String()
		}
	}
	return lines.Err()
}

// Objects returns the System V objects of this user: "shm 7", "sem 3".
func Objects() (map[string]bool, error) {
	all, err := objects()
	names := map[string]bool{}
	for o := range all {
		names[o.kind+" "+strconv.Itoa(o.id)] = true
	}
	return names, err
}

// remaining waits for objects that were not there before, and for threads asleep on a
// semaphore, to go, and describes those that do not.
func remaining(before map[object]string) ([]string, error) {
	for deadline := time.Now().Add(grace); ; time.Sleep(5 * time.Millisecond) {
		after, err := objects()
		if err != nil {
			return nil, err
		}
		leaks := sleepers()
		for o, text := range after {
			if _, old := before[o]; !old {
				leaks = append(leaks, o.describe(text))
			}
		}
		if len(leaks) == 0 || time.Now().After(deadline) {
			return leaks, nil
		}
	}
}

func (o object) describe(text string) string {
	names := map[string]string{"shm": "shared memory segment", "sem": "semaphore set", "msg": "message queue"}
	letters := map[string]string{"shm": "m", "sem": "s", "msg": "q"}
	return fmt.Sprintf("%s %d is left:%s (ipcrm -%s %d)", names[o.kind], o.id, text, letters[o.kind], o.id)
}

// waits are the system calls that wait, by their number.
var waits = map[int]string{
	unix.SYS_SEMOP: "semaphore", unix.SYS_SEMTIMEDOP: "semaphore",
	unix.SYS_MSGSND: "message queue", unix.SYS_MSGRCV: "message queue",
}

// sleepers lists the threads of this process that are inside semop, semtimedop, msgsnd or msgrcv.
// The number of threads itself says nothing: the Go runtime keeps idle ones.
func sleepers() []string {
	files, _ := filepath.Glob("/proc/self/task/*/syscall")
	var list []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		number, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.Atoi(number)
		if what := waits[n]; err == nil && what != "" {
			tid := filepath.Base(filepath.Dir(file))
			list = append(list, fmt.Sprintf("thread %s sleeps on a %s: syscall %s", tid, what,
				strings.TrimSpace(string(b))))
		}
	}
	return list
}
