//go:build darwin || freebsd

package sysnet

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// accept takes a connection and sets its flags. A program executed in between would
// inherit it: there is no accept4(2) on darwin.
func accept(listener int, blocking bool) (int, netip.AddrPort, error) {
	fd, sa, err := unix.Accept(listener)
	if err != nil {
		return -1, netip.AddrPort{}, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, !blocking); err != nil {
		unix.Close(fd)
		return -1, netip.AddrPort{}, err
	}
	peer := addrPort(sa)
	return fd, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()), nil
}

func newSocket(family, kind int) (int, error) {
	fd, err := unix.Socket(family, kind, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// StopArrivals does nothing, since there is no way to stop new connections here. One that comes
// between the last accept and the close is reset.
func StopArrivals(int) {}

// tuneListener sets what only makes things faster; there is nothing to set here.
func tuneListener(int, ListenOptions) {}
