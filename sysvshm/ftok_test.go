//go:build linux

package sysvshm_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

const ftokC = `#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
int main(int argc, char **argv) {
	for (int i = 2; i < argc; i++)
		printf("%d\n", (int)ftok(argv[1], atoi(argv[i])));
}
`

// If there is a C compiler, keys are compared with those of its library; always with the formula.
func TestFtok(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(file, link))
	projects := []string{"1", "65", "127", "128", "255"}

	exe := filepath.Join(dir, "ftok")
	gcc, errGCC := exec.LookPath("gcc")
	if errGCC == nil {
		source := exe + ".c"
		require.NoError(t, os.WriteFile(source, []byte(ftokC), 0o600))
		out, err := exec.Command(gcc, "-o", exe, source).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for _, path := range []string{file, dir, link, "/", "/dev/null"} {
		var fromC []string
		if errGCC == nil {
			out, err := exec.Command(exe, append([]string{path}, projects...)...).Output()
			require.NoError(t, err)
			fromC = strings.Fields(string(out))
		}
		var st syscall.Stat_t
		require.NoError(t, syscall.Stat(path, &st))
		for i, project := range projects {
			n, err := strconv.Atoi(project)
			require.NoError(t, err)
			key, err := sysvshm.Ftok(path, byte(n))
			require.NoError(t, err)
			want := fmt.Sprintf("%02x%02x%04x", n, st.Dev%256, st.Ino%65536)
			require.Equal(t, want, fmt.Sprintf("%08x", uint32(key)), "%s %s", path, project)
			if fromC != nil {
				require.Equal(t, fromC[i], strconv.Itoa(int(key)), "%s %s", path, project)
			}
		}
	}
}

func TestFtokErrors(t *testing.T) {
	tests := []struct {
		name string
		path string
		proj byte
		is   error
		text string
	}{
		{"project 0", "/", 0, syscall.EINVAL,
			"ftok /: project number 0 could make the key 0, which is Private: use 1 to 255"},
		{"no such file", "/nowhere/at/all", 1, fs.ErrNotExist,
			"ftok /nowhere/at/all: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sysvshm.Ftok(tt.path, tt.proj)
			require.ErrorIs(t, err, tt.is)
			var e *fs.PathError
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.text, err.Error())
		})
	}
}

func TestFtokNamesASegment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	key, err := sysvshm.Ftok(file, 'S')
	require.NoError(t, err)
	s, err := sysvshm.Get(key, 64, sysvshm.Create|sysvshm.Exclusive|0o600)
	require.NoError(t, err)
	removeAtEnd(t, s)
	require.Equal(t, key, stat(t, s).Key)
}
