package main

import (
	"fmt"
	"net"
	"os"
	"strings"

	"shmbus/internal/linux"
)

// A notifier reports the state of the service to the service manager with the protocol of
// sd_notify(3): datagrams of VARIABLE=value lines to the socket that NOTIFY_SOCKET names. A nil
// notifier does nothing.
type notifier struct{ conn *net.UnixConn }

// newNotifier returns a nil notifier if there is no service manager.
func newNotifier() (*notifier, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	// A leading @ stands for the abstract namespace, to systemd as to package net.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &notifier{conn}, nil
}

// send sends a datagram of the given lines. It ignores errors.
func (n *notifier) send(lines ...string) {
	if n == nil {
		return
	}
	for i, l := range lines {
		lines[i] = strings.ReplaceAll(l, "\n", " ")
	}
	_, _ = n.conn.Write([]byte(strings.Join(lines, "\n")))
}

func (n *notifier) ready(status string)    { n.send("READY=1", "STATUS="+status) }
func (n *notifier) status(status string)   { n.send("STATUS=" + status) }
func (n *notifier) stopping(status string) { n.send("STOPPING=1", "STATUS="+status) }

// reloading sends the time, which tells a manager with Type=notify-reload this reload from an
// earlier one.
func (n *notifier) reloading() {
	n.send("RELOADING=1", fmt.Sprintf("MONOTONIC_USEC=%d", linux.Monotonic().Microseconds()))
}

func (n *notifier) close() {
	if n != nil {
		n.conn.Close()
	}
}
