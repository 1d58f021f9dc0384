//go:build linux

package main

// What a program reads that is told once, and one that is told for as long as there is something.
//
// Both ends are in this process, and every wait is for no time at all: what epoll does not tell
// now, it does not tell later either. What must not be done: the reader must not look at its
// socket except when it is told to.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var edges = lab{
	name:    "edges",
	seconds: 1,
	asks:    "18 bytes arrive in one piece. A program reads 8 bytes whenever epoll tells it of its socket, which it watches with EPOLLET. How many of the 18 does it read?",
	unit:    "bytes",
	run:     runEdges,
}

// spoken is what arrives, and sip what one read takes of it.
const (
	spoken = "four ways to wait\n"
	sip    = 8
	looks  = 10 // times that epoll is asked
)

func runEdges(r *rig) (res result, err error) {
	res = result{Unit: "bytes read", Kinds: [kinds]string{good: "read", bad: "left lying", other: "read after one more byte had come"},
		Learnt: "Level-triggered, epoll tells you for as long as something is there. Edge-triggered, it tells you that something has come,\n" +
			"and what you leave is your own business: read until EAGAIN, or remember that you have not."}
	for _, way := range []struct {
		name  string
		flags uint32
		drain bool
		read  int // what must have been read before more comes
		told  int // and how often epoll has told
	}{
		{"level, one read", 0, false, len(spoken), 3},
		{"edge, one read", unix.EPOLLET, false, sip, 1},
		{"edge, until EAGAIN", unix.EPOLLET, true, len(spoken), 1},
	} {
		r.say("%s", way.name)
		e, err := newEar(way.flags, way.drain)
		if err != nil {
			return res, err
		}
		told, read, err := e.hears(spoken)
		cells := cellsOf(read, good)
		lying := len(spoken) - count(read)
		var late []string
		if err == nil && lying > 0 { // more wakes it, and it takes one sip of what was there
			_, late, err = e.hears("x")
			cells = append(cells, cellsOf(late, other)...)
		}
		e.close()
		if err != nil {
			return res, err
		}
		if left := lying - count(late); left > 0 {
			cells = append(cells, cell{fmt.Sprintf("%d bytes", left+len("x")), bad})
		}
		res.strip(way.name, cells...)
		res.add(way.name, float64(count(read)))
		res.claims(count(read) == way.read && told == way.told, "%s: %d of %d bytes; epoll told of them in %d of %d looks",
			way.name, count(read), len(spoken), told, looks)
		if way.flags != 0 && !way.drain {
			res.Answer = float64(count(read))
			res.claims(count(late) == sip, "what was left came with the next byte, and again only %d of it", sip)
		}
	}
	return res, nil
}

func cellsOf(texts []string, k kind) (c []cell) {
	for _, text := range texts {
		c = append(c, cell{fmt.Sprintf("%q", text), k})
	}
	return c
}

func count(texts []string) (n int) {
	for _, text := range texts {
		n += len(text)
	}
	return n
}

// ear is a socket that epoll watches, and its other end.
type ear struct {
	poll  int
	ends  [2]int // of which the first is the reader's
	drain bool   // it reads until there is nothing
}

func newEar(flags uint32, drain bool) (e *ear, err error) {
	e = &ear{drain: drain}
	if e.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if e.ends, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		unix.Close(e.poll)
		return nil, err
	}
	if err = unix.EpollCtl(e.poll, unix.EPOLL_CTL_ADD, e.ends[0], &unix.EpollEvent{Events: unix.EPOLLIN | flags}); err != nil {
		e.close()
	}
	return e, err
}

func (e *ear) close() {
	for _, fd := range []int{e.poll, e.ends[0], e.ends[1]} {
		unix.Close(fd)
	}
}

// hears is how often epoll tells of a text, and what is read then, piece by piece.
func (e *ear) hears(text string) (told int, read []string, err error) {
	if _, err := unix.Write(e.ends[1], []byte(text)); err != nil {
		return 0, nil, err
	}
	events := make([]unix.EpollEvent, 1)
	for range looks {
		n, err := unix.EpollWait(e.poll, events, 0)
		if err != nil && err != unix.EINTR {
			return told, read, err
		}
		if n < 1 {
			continue
		}
		told++
		for more := true; more; more = e.drain {
			buf := make([]byte, sip)
			n, err := unix.Read(e.ends[0], buf)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				return told, read, err
			}
			read = append(read, string(buf[:n]))
		}
	}
	return told, read, nil
}
