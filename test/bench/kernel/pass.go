package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// give passes descriptors on through a socket and closes them here.
func give(socket int, fds ...int) error {
	err := unix.Sendmsg(socket, []byte{0}, unix.UnixRights(fds...), nil, 0)
	for _, fd := range fds {
		unix.Close(fd)
	}
	return err
}

// take receives n descriptors that the other side gives.
func take(socket, n int) ([]int, error) {
	oob := make([]byte, unix.CmsgSpace(4*n))
	_, oobn, _, _, err := unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("recvmsg: %w", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("%d control messages instead of descriptors: %w", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err == nil && len(fds) != n {
		err = fmt.Errorf("%d descriptors instead of %d", len(fds), n)
	}
	return fds, err
}
