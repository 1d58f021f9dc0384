//go:build linux

package client

// Small messages there and back: what a relay costs when there is little to move.
//
// One goroutine has all connections, and waits in epoll_wait(2). What must not be done: a message
// that came back changed must not be counted.

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// MessageSize is the length of a message, in bytes.
const MessageSize = 64

// ponger is one connection of PingPong.
type ponger struct {
	conn
	began time.Time // when its message left
	got   int       // bytes of it that came back
}

// PingPong sends a message on each of n connections, and the next one as soon as the last has come
// back, for a while. Whole is the number of messages.
func PingPong(addr netip.AddrPort, n int, duration time.Duration) (Drained, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return Drained{}, err
	}
	defer unix.Close(epoll)
	all := map[int32]*ponger{}
	for range n {
		c, err := dial(addr)
		if err != nil {
			return Drained{}, err
		}
		defer c.close()
		all[int32(c.fd)] = &ponger{conn: c}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.fd)}); err != nil {
			return Drained{}, err
		}
	}
	began := time.Now()
	for _, p := range all {
		if err := p.ping(); err != nil {
			return Drained{}, err
		}
	}
	took, err := pingAll(epoll, all, began.Add(duration))
	sum := Drained{Bytes: int64(len(took)) * MessageSize, Elapsed: time.Since(began)}
	sum.rank(took)
	return sum, err
}

// pingAll answers each message that has come back by the next one, until the end.
func pingAll(epoll int, all map[int32]*ponger, end time.Time) (took []time.Duration, err error) {
	events := make([]unix.EpollEvent, len(all))
	for time.Now().Before(end) {
		n, err := unix.EpollWait(epoll, events, int(patience/time.Millisecond))
		if err == unix.EINTR {
			continue
		}
		if err == nil && n == 0 {
			err = errors.New("no message came back")
		}
		if err != nil {
			return took, err
		}
		for _, e := range events[:n] {
			p := all[e.Fd]
			back, err := p.pong()
			if err != nil {
				return took, err
			}
			if back {
				took = append(took, time.Since(p.began))
				if err := p.ping(); err != nil {
					return took, err
				}
			}
		}
	}
	return took, nil
}

// message is what is sent. No two parts of it are alike.
var message = []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/")

func (p *ponger) ping() error {
	p.began, p.got = time.Now(), 0
	return p.send(message)
}

// pong takes what has come back, and reports whether that is the whole message.
func (p *ponger) pong() (whole bool, err error) {
	var buf [2 * MessageSize]byte
	n, err := p.receive(buf[:], 0)
	if err != nil {
		return false, err
	}
	if p.got+n > MessageSize || !bytes.Equal(buf[:n], message[p.got:p.got+n]) {
		return false, errors.New("another message came back than was sent")
	}
	p.got += n
	return p.got == MessageSize, nil
}
