//go:build linux

// Command limit is the floor under any server: an epoll loop that parses nothing, checks
// nothing, and sends one canned answer for each empty line it reads. What it costs is
// what the kernel costs, so another server's cost divided by this one's is the price of
// its own work.
//
// It is no HTTP server. It answers every request, whatever it asks for, with the one
// file of -file, takes the end of a head inside a body for the end of a head, and never
// gives up on a client. Do not show it to a network.
//
// One goroutine owns everything here. It waits in epoll_wait(2) by RawSyscall, which the
// scheduler does not hear of: right only because nothing else wants to run. Hence the
// garbage collector is off: the loop allocates nothing. GODEBUG=asyncpreemptoff=1 in the
// environment saves the hundred signals a second by which the runtime asks in vain for
// the processor.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Limits.
const (
	maxConns   = 65536     // descriptors; each costs 16 bytes once it is used
	maxEvents  = 512       // events taken from the kernel at once
	backlog    = 4096      // connections that may wait for accept4(2)
	readBuffer = 64 << 10  // bytes; 16 pipelined heads are a few hundred
	cannedSize = 128 << 10 // bytes of repeated answers that one write may take
	inMemory   = 64 << 10  // bytes of the largest body sent from memory; larger ones go by sendfile(2)
	turn       = 2 << 20   // bytes of one sendfile(2)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS:PORT` to listen on, both in numbers")
	file := flag.String("file", "", "`FILE` whose content answers every request")
	closes := flag.Bool("close", false, "close each connection after its answer")
	flag.Parse()
	debug.SetGCPercent(-1)
	l, err := newLoop(*listen, *file, *closes)
	if err == nil {
		err = l.run()
	}
	fmt.Fprintf(os.Stderr, "limit: %v\n", err)
	os.Exit(1)
}

// newLoop listens and prepares the answer.
func newLoop(listen, file string, closes bool) (*loop, error) {
	l := &loop{closes: closes, conns: make([]conn, maxConns), in: make([]byte, readBuffer)}
	if err := l.can(file); err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(listen)
	if err != nil {
		return nil, err
	}
	if l.listener, err = listenOn(addr, closes); err != nil {
		return nil, err
	}
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	return l, l.watch(unix.EPOLL_CTL_ADD, l.listener, unix.EPOLLIN)
}

// listenOn makes the listening socket. Where each connection brings one request, the
// kernel keeps it until that request is there (TCP_DEFER_ACCEPT, tcp(7)), so that
// accept4(2) and the first read(2) can follow each other without a wait.
func listenOn(addr netip.AddrPort, closes bool) (fd int, err error) {
	if !addr.Addr().Is4() {
		return -1, fmt.Errorf("%v is no IPv4 address", addr.Addr())
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	options := []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	}
	if closes {
		options = append(options, struct{ level, name, value int }{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return -1, err
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return -1, err
	}
	return fd, unix.Listen(fd, backlog)
}
