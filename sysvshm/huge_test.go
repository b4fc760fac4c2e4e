//go:build linux

package sysvshm_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/sysvshm"
)

// tooHuge is a size for which no machine has enough huge pages.
const tooHuge = 1 << 50

func TestHugePagesThatThereAreNot(t *testing.T) {
	_, err := sysvshm.Get(sysvshm.Private, tooHuge, sysvshm.HugeTLB|0o600)
	require.ErrorIs(t, err, sysvshm.ErrNoHugePages)
	pages, errRead := os.ReadFile("/proc/sys/vm/nr_hugepages")
	require.NoError(t, errRead)
	if os.Getuid() == 0 {
		require.ErrorIs(t, err, syscall.ENOMEM)
		require.Contains(t, err.Error(), "vm.nr_hugepages is "+strings.TrimSpace(string(pages)))
		require.Contains(t, err.Error(), "sysctl -w vm.nr_hugepages=N")
	}
}

func TestHugePagesOfASizeThatThereIsNot(t *testing.T) {
	const pages8KB = sysvshm.HugeTLB | 13<<26
	_, err := sysvshm.Get(sysvshm.Private, 4096, pages8KB|0o600)
	require.ErrorIs(t, err, sysvshm.ErrNoHugePages)
	require.ErrorIs(t, err, syscall.EINVAL)
	require.Contains(t, err.Error(), "/sys/kernel/mm/hugepages")
}

func TestHugePagesNeedPermission(t *testing.T) {
	if os.Getuid() != 0 {
		require.NoError(t, helpHugeRefused(nil))
		return
	}
	asNobody(t, "huge, refused", sysvshm.FromID(0))
}

func helpHugeRefused(*sysvshm.Segment) error {
	_, err := sysvshm.Get(sysvshm.Private, tooHuge, sysvshm.HugeTLB2MB|0o600)
	return expectText(err, "CAP_IPC_LOCK or membership in the group vm.hugetlb_shm_group",
		sysvshm.ErrNoHugePages, syscall.EPERM)
}
