package sysnet

import "golang.org/x/sys/unix"

// setCork sets TCP_CORK or takes it off. A Unix socket has none, and says so.
func setCork(fd int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, value)
}
