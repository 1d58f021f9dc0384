package sysnet

// What Linux does in its own way about sockets: accept4(2), options that only make things faster,
// the end of arrivals, and how much the peer has not acknowledged.
//
// accept does not tell Go's scheduler, so a listener must be non-blocking. StopArrivals must be
// called only on sockets that are to be closed for good: it holds for every process that has them,
// and cannot be undone.

import (
	"encoding/binary"
	"math"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// accept takes a connection with its flags set in the same call, and the peer's
// address without allocating.
func accept(listener int, blocking bool) (int, netip.AddrPort, error) {
	var rsa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	flags := unix.SOCK_CLOEXEC
	if !blocking {
		flags |= unix.SOCK_NONBLOCK
	}
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener),
		uintptr(unsafe.Pointer(&rsa)), uintptr(unsafe.Pointer(&size)), uintptr(flags), 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(fd), rawAddrPort(&rsa), nil
}

func rawAddrPort(rsa *unix.RawSockaddrAny) netip.AddrPort {
	switch rsa.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(rsa))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), networkPort(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(rsa))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), networkPort(sa.Port))
	}
	return netip.AddrPort{}
}

// Peer is the address of a socket's other end, without allocating; invalid for a Unix socket.
func Peer(fd int) (netip.AddrPort, error) {
	var rsa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETPEERNAME, uintptr(fd), uintptr(unsafe.Pointer(&rsa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, errno
	}
	return rawAddrPort(&rsa), nil
}

// networkPort reads a port that the kernel stored in network byte order.
func networkPort(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}

func newSocket(family, kind int) (int, error) {
	return unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

// tuneListener sets options that only make things faster. Where the kernel refuses one, the server
// works without it.
func tuneListener(fd int, opt ListenOptions) {
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN, fastOpenQueue)
	seconds := 0
	if opt.DeferAccept {
		seconds = 1
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds)
}

// StopArrivals stops new connections to a listening TCP socket: no handshake begins, and those that
// have begun are completed. listen(2) has no such option, and shutdown(2) would reset the queue. So
// a filter (SO_ATTACH_FILTER, socket(7)) drops each SYN that comes; its sender tries again after a
// second, and finds the port closed, or a successor. It cannot be undone, and holds for all
// processes that have the socket. Where the kernel refuses it, a few connections that come just
// then are reset.
func StopArrivals(fd int) {
	const flags, syn, synOrAck = 13, 0x02, 0x12 // RFC 9293 3.1: the byte of the flags
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: synOrAck},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},              // dropped
		{Code: unix.BPF_RET | unix.BPF_K, K: math.MaxUint32}, // taken whole
	}
	unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	// A client that has connected and sent nothing yet enters the queue with its next packet.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 0)
}

// Unsent is the number of bytes written to the socket that the peer has not
// acknowledged (SIOCOUTQ, tcp(7)), 0 where the kernel does not say.
func Unsent(fd int) int64 {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return int64(n)
}
