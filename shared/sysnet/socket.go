package sysnet

// The calls on connected sockets: reading, writing, time-outs, and the ways to end.
//
// A descriptor belongs to one thread, and only that closes it. What must not be done: another
// thread must not close it, since its number may be a new connection's at once. It calls
// EndReceiving instead, under a lock that keeps the owner from closing meanwhile.

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
)

// Read is read(2), begun again when a signal interrupts it: Go's scheduler sends
// signals of its own, and a read with a time-out is not restarted by the kernel
// (signal(7)). It returns 0 at the end of what the peer sends.
func Read(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return n, later(err)
		}
	}
}

// Receive reads without waiting from a socket that blocks (MSG_DONTWAIT, recv(2)).
func Receive(fd int, p []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, later(err)
		}
	}
}

// Send writes without waiting to a socket that blocks (MSG_DONTWAIT, send(2)).
func Send(fd int, p []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(fd, p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return n, later(err)
		}
	}
}

// Again reports whether a call failed only because it would have had to wait, or
// has waited as long as its socket allows, or because memory is short ([Short]).
func Again(err error) bool { return err == unix.EAGAIN }

// SetReadTimeout bounds how long a read blocks (SO_RCVTIMEO, socket(7)); it then
// fails with EAGAIN. d must be positive.
func SetReadTimeout(fd int, d clock.Time) error {
	return setTimeout(fd, unix.SO_RCVTIMEO, d)
}

// SetWriteTimeout bounds how long a write blocks (SO_SNDTIMEO, socket(7)); it then
// returns what it has written, or fails with EAGAIN. d must be positive.
func SetWriteTimeout(fd int, d clock.Time) error {
	return setTimeout(fd, unix.SO_SNDTIMEO, d)
}

func setTimeout(fd, option int, d clock.Time) error {
	// A time-out of zero means none, so a remainder is rounded up.
	tv := unix.NsecToTimeval(max(int64(d), int64(clock.Millisecond)))
	return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &tv)
}

// LocalAddr is our own end's address of a socket, invalid for one that is not of the Internet.
func LocalAddr(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPort(sa)
}

// EndSending closes the sending direction: the peer reads the end of the stream after what was
// sent.
func EndSending(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// EndReceiving wakes a thread that is blocked in reading the socket. The peer does not hear of it.
func EndReceiving(fd int) error { return unix.Shutdown(fd, unix.SHUT_RD) }

// Close closes a socket. Where abortive is set the peer gets a reset and the kernel
// drops what is unsent (SO_LINGER with no time, socket(7)).
func Close(fd int, abortive bool) {
	if abortive {
		ResetOnClose(fd)
	}
	unix.Close(fd)
}

// ResetOnClose makes the close of a socket abortive, whoever closes it.
func ResetOnClose(fd int) {
	unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}
