//go:build linux

// Package client holds the clients that no load generator offers: [Hold] keeps connections idle,
// [Dribble] sends heads too slowly, [Drain] takes large bodies without looking at them, [Load] asks
// in a closed or an open loop, [Ask] and [HoldSecured] speak TLS on terms that they insist on. Each
// runs in a process of its own, because a process may have 20,000 descriptors only, and because the
// processor it takes is to be pinned.
//
// They trust the server: a head is searched for its Content-Length and nothing else.
package client

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Limits.
const (
	patience    = 20 * time.Second // for any one answer
	maxHead     = 8 << 10          // bytes of a response's head
	discardSize = 4 << 20          // bytes that one recv(2) may throw away
)

// discard is where recv(2) would write if it were not told to throw away. It is never
// touched, so it costs address space and no memory.
var discard = make([]byte, discardSize)

// conn is a blocking socket. Its owner closes it.
type conn struct{ fd int }

// dial connects. Nothing on it waits longer than patience.
func dial(addr netip.AddrPort) (conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return conn{}, fmt.Errorf("socket: %w", err)
	}
	c := conn{fd}
	limit := unix.NsecToTimeval(int64(patience))
	for _, option := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, option, &limit); err != nil {
			c.close()
			return conn{}, err
		}
	}
	to := &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	if err := retry(func() error { return unix.Connect(fd, to) }); err != nil && err != unix.EISCONN {
		c.close()
		return conn{}, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

func (c conn) close() { unix.Close(c.fd) }

// send writes all of p, which is smaller than a socket's buffer.
func (c conn) send(p []byte) error {
	return retry(func() error {
		n, err := unix.SendmsgN(c.fd, p, nil, nil, unix.MSG_NOSIGNAL)
		if err == nil && n < len(p) {
			return errors.New("the socket's buffer is full")
		}
		return err
	})
}

// head reads a response's head and returns the length of its body, and how many bytes of
// that came with it.
func (c conn) head(buf []byte) (length, got int64, err error) {
	for used := 0; used < len(buf); {
		n, err := c.receive(buf[used:], 0)
		if err != nil {
			return 0, 0, err
		}
		used += n
		if head, rest, ok := bytes.Cut(buf[:used], []byte("\r\n\r\n")); ok {
			length, err := contentLength(head)
			return length, int64(len(rest)), err
		}
	}
	return 0, 0, errors.New("no end of the response's head")
}

// skip throws away up to n bytes in the kernel, which copies nothing then (MSG_TRUNC,
// tcp(7)).
func (c conn) skip(n int64) (int64, error) {
	got, err := c.receive(discard[:min(n, discardSize)], unix.MSG_TRUNC)
	return int64(got), err
}

// receive is recv(2) that takes the end of the stream for an error.
func (c conn) receive(p []byte, flags int) (n int, err error) {
	err = retry(func() error {
		n, _, err = unix.Recvfrom(c.fd, p, flags)
		return err
	})
	if err == nil && n == 0 {
		err = errors.New("the server closed the connection")
	}
	return n, err
}

// alive reports whether the server has the connection open and has said nothing on it.
func (c conn) alive() bool {
	var one [1]byte
	_, _, err := unix.Recvfrom(c.fd, one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == unix.EAGAIN
}

// retry repeats what a signal interrupted.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// contentLength checks that the answer is a 200 and finds the length of its body.
func contentLength(head []byte) (int64, error) {
	if line, _, _ := bytes.Cut(head, []byte("\r\n")); !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return 0, fmt.Errorf("the server answers %q", line)
	}
	return lengthOf(head)
}

// lengthOf finds the length of an answer's body.
func lengthOf(head []byte) (int64, error) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			return strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
		}
	}
	return 0, errors.New("an answer without Content-Length")
}

// saysClose reports whether the head at p's beginning says that the connection ends after its
// answer. A server may do so after so many answers.
func saysClose(p []byte) bool {
	head, _, _ := bytes.Cut(p, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(bytes.TrimSpace(value), []byte("close")) {
			return true
		}
	}
	return false
}

// request is a GET for a path.
func request(addr netip.AddrPort, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, addr)
}
