//go:build linux

package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// manager is the service manager's end of the notification socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T, address string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn}
}

// next returns the next datagram.
func (m *manager) next() string {
	m.t.Helper()
	b := make([]byte, 4096)
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := m.conn.Read(b)
	require.NoError(m.t, err)
	return string(b[:n])
}

func TestNotify(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@shmbus-busd-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, address)
			t.Setenv("NOTIFY_SOCKET", address)
			n, err := newNotifier()
			require.NoError(t, err)
			defer n.close()
			n.ready("two\nlines")
			require.Equal(t, "READY=1\nSTATUS=two lines", m.next())
			n.reloading()
			require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$`, m.next())
			n.status("x")
			require.Equal(t, "STATUS=x", m.next())
			n.stopping("bye")
			require.Equal(t, "STOPPING=1\nSTATUS=bye", m.next())
		})
	}
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n, err := newNotifier()
	require.NoError(t, err)
	require.Nil(t, n)
	n.ready("")
	n.reloading()
	n.close()

	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	n, err = newNotifier()
	require.ErrorContains(t, err, "NOTIFY_SOCKET")
	n.stopping("")
}

// A death while the buses are still being adopted is told with READY and not before it.
func TestNotifyReadyComesFirst(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	m := newManager(t, address)
	t.Setenv("NOTIFY_SOCKET", address)
	n, err := newNotifier()
	require.NoError(t, err)
	defer n.close()
	d := newDaemon(slog.New(slog.DiscardHandler), n)
	d.died(1)
	d.count.Add(1)
	d.tellReady()
	require.Equal(t, "READY=1\nSTATUS=watching 1 bus, 1 death so far", m.next())
	d.died(1)
	require.Equal(t, "STATUS=watching 1 bus, 2 deaths so far", m.next())
}
