package sysnet

// Connecting without waiting.
//
// A socket that Connect returns is the caller's, who closes it. What must not be done: nothing may
// be sent or received before Connected has returned nil. While it has not, the socket is to be
// watched for being writable (connect(2), EINPROGRESS).

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func streamSocket(family int) (int, error) { return newSocket(family, unix.SOCK_STREAM) }

// Connect begins a connection to an address, and returns its socket, which does not block. The
// connection may be there already, or still be made, or fail: [Connected] tells. The errors are
// those of socket(2) and connect(2) that are known at once. One of them that is [Again] comes from
// a Unix socket whose queue is full: nothing is under way, and to try later may help.
func Connect(a Addr) (fd int, err error) {
	family, sa := a.sockaddr()
	if fd, err = streamSocket(family); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if a.Path == "" {
		// What is sent is to leave at once, since it is not known whether more comes.
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	switch err = unix.Connect(fd, sa); err {
	case nil, unix.EINPROGRESS, unix.EINTR: // a connect that was interrupted goes on (connect(2))
		return fd, nil
	}
	unix.Close(fd)
	return -1, err
}

// Placeholder makes a socket at which nothing ever happens, for a machine that has to wait until it
// can connect. One of datagrams that has no name hears of nobody, and has not hung up as one of a
// stream has that is not connected.
func Placeholder() (fd int, err error) {
	if fd, err = newSocket(unix.AF_UNIX, unix.SOCK_DGRAM); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

// Connected reports how it has gone with a socket of [Connect]: nil once the connection is there,
// an error that is [Again] while it is still being made, or why it has failed (SO_ERROR,
// socket(7)), which the kernel says once.
func Connected(fd int) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if errno != 0 {
		return unix.Errno(errno)
	}
	peer, err := unix.Getpeername(fd)
	if err == unix.ENOTCONN {
		return unix.EAGAIN
	}
	if err != nil {
		return err
	}
	// Where nobody listens at a port that the kernel may give out, a socket can get that very port
	// for its own end, and is then connected to itself (RFC 9293 3.5, a simultaneous open).
	if at := addrPort(peer); at.IsValid() && at == LocalAddr(fd) {
		return unix.ECONNREFUSED
	}
	return nil
}
