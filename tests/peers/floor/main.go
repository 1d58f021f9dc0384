//go:build linux

// Command floor is the floor under any proxy or relay: an epoll loop that moves bytes from one
// socket to the other and knows no HTTP. What it costs is what the kernel costs, so another
// proxy's cost divided by this one's is the price of its own work.
//
//	floor -listen A -upstream B                 relays connections, by read(2) and send(2)
//	floor -listen A -upstream B -splice         the same by splice(2)
//	floor -listen A -upstream B -path /1k.html  passes requests on, over connections it keeps
//	floor -listen A -echo                       sends back what it gets: something to relay to
//
// It is no proxy. With -path it takes whatever it reads at once for one whole request, and knows
// how long each answer is, because it has asked for that path at its start. A client that
// pipelines is cut, and the end of one side is the end of both. Do not show it to a network.
//
// One goroutine owns everything here, and waits in epoll_wait(2) by RawSyscall, as the one of
// package limit does, and for the same reasons. The garbage collector is off.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Limits.
const (
	maxConns  = 65536    // descriptors
	maxEvents = 512      // events taken from the kernel at once
	backlog   = 4096     // connections that may wait for accept4(2)
	copySize  = 64 << 10 // bytes that one read(2) may take
	pipeSize  = 1 << 20  // bytes that one splice(2) may take
	burst     = 16       // times that a socket is read before the others have their turn
)

// options is the command line.
type options struct {
	listen, upstream netip.AddrPort
	path             string
	echo, splice     bool
	closes           bool
}

func main() {
	var o options
	none := netip.AddrPort{}
	flag.TextVar(&o.listen, "listen", none, "`ADDRESS:PORT` to listen on, both in numbers")
	flag.TextVar(&o.upstream, "upstream", none, "`ADDRESS:PORT` of the server behind, both in numbers")
	flag.StringVar(&o.path, "path", "", "pass on requests, which are all for this `PATH`, and not connections")
	flag.BoolVar(&o.echo, "echo", false, "send back what comes, instead of passing it on")
	flag.BoolVar(&o.splice, "splice", false, "move what the upstream says by splice(2); a relay moves all of it so")
	flag.BoolVar(&o.closes, "close", false, "with -path, close each client's connection after its answer")
	flag.Parse()
	debug.SetGCPercent(-1)
	l, err := newLoop(o)
	if err == nil {
		err = l.run()
	}
	fmt.Fprintf(os.Stderr, "floor: %v\n", err)
	os.Exit(1)
}

// newLoop learns how long answers are, and listens.
func newLoop(o options) (*loop, error) {
	l := &loop{options: o, ends: make([]end, maxConns), unit: endless}
	if o.path != "" {
		head, body, err := learn(o.upstream, o.path)
		if err != nil {
			return nil, err
		}
		l.unit = int64(len(head)) + body
		if o.closes {
			l.head = closing(head)
			l.grown = len(l.head) - len(head)
		}
	}
	l.in = make([]byte, l.grown+copySize)
	var err error
	if l.listener, err = listenOn(o.listen, o.closes); err != nil {
		return nil, err
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	return l, unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.listener, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.listener)})
}

// learn asks the upstream for a path, and returns the answer's head and the length of its body.
func learn(upstream netip.AddrPort, path string) (head []byte, body int64, err error) {
	c, err := net.Dial("tcp", upstream.String())
	if err != nil {
		return nil, 0, err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %v\r\n\r\n", path, upstream); err != nil {
		return nil, 0, err
	}
	p := make([]byte, copySize)
	for n := 0; n < len(p); {
		got, err := c.Read(p[n:])
		if err != nil {
			return nil, 0, err
		}
		n += got
		if end := bytes.Index(p[:n], []byte(emptyLine)); end >= 0 {
			head = p[:end+len(emptyLine)]
			answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
			if err != nil {
				return nil, 0, err
			}
			if answer.StatusCode != http.StatusOK || answer.ContentLength < 0 {
				return nil, 0, fmt.Errorf("the upstream answers %s, with a length of %d", answer.Status, answer.ContentLength)
			}
			return head, answer.ContentLength, nil
		}
	}
	return nil, 0, errors.New("the upstream's head has no end")
}

const emptyLine = "\r\n\r\n"

// closing is a head that says that the connection ends after the answer.
func closing(head []byte) []byte {
	return append(bytes.Clone(head[:len(head)-2]), "Connection: close\r\n\r\n"...)
}

// listenOn makes the listening socket. Where each connection brings one request, the kernel keeps
// it until that request is there (TCP_DEFER_ACCEPT, tcp(7)).
func listenOn(addr netip.AddrPort, closes bool) (fd int, err error) {
	if !addr.Addr().Is4() {
		return -1, fmt.Errorf("-listen %v is no IPv4 address", addr)
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	deferred := 0
	if closes {
		deferred = 1
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferred},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return -1, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return -1, err
	}
	return fd, unix.Listen(fd, backlog)
}

// connectTo opens a connection to the upstream. It waits for that: on loopback there is nothing to
// wait for.
func connectTo(addr netip.AddrPort) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
