//go:build linux

package client

// Clients that keep their connections and send little: Hold sends nothing more, Dribble sends a
// head a byte at a time.
//
// Each connection belongs to the call that opens it, and is closed when done ends. They run in
// processes of their own, so that their descriptors are not counted as the server's.

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Ready is the line by which Hold and Dribble say that they are at work.
const Ready = "ready"

// Hold opens n connections, makes one request on each if touch is set, and writes a line
// when all are open. It keeps them until done ends, and then writes how many of them the
// server had closed.
func Hold(addr netip.AddrPort, path string, n int, touch bool, says io.Writer, done io.Reader) error {
	return hold(addr, n, 1, says, done, func(c conn) error {
		if !touch {
			return nil
		}
		return c.fetch(request(addr, path))
	})
}

// HoldSecured is Hold for connections by TLS. It makes a request on each of them: before an answer
// nobody knows whether all that the handshake brings has come.
func HoldSecured(a Ask, says io.Writer, done io.Reader) error {
	return hold(a.Addr, a.Conns, shakesAtOnce, says, done, func(c conn) error { return c.secured(&a) })
}

// shakesAtOnce is how many connections by TLS are opened at a time. One after the other they would
// mostly wait, for a handshake goes back and forth.
const shakesAtOnce = 16

// hold opens n connections, some at a time, and has each begin as it is told.
func hold(addr netip.AddrPort, n, atOnce int, says io.Writer, done io.Reader, begin func(conn) error) error {
	opened, errs := make([][]conn, atOnce), make([]error, atOnce)
	var all sync.WaitGroup
	for k := range atOnce {
		all.Go(func() {
			for i := k; i < n && errs[k] == nil; i += atOnce {
				c, err := dial(addr)
				if err == nil {
					opened[k] = append(opened[k], c)
					err = begin(c)
				}
				if err != nil {
					errs[k] = fmt.Errorf("connection %d: %w", i+1, err)
				}
			}
		})
	}
	all.Wait()
	conns := slices.Concat(opened...)
	defer func() {
		for _, c := range conns {
			c.close()
		}
	}()
	if err := cmp.Or(errs...); err != nil {
		return err
	}
	fmt.Fprintln(says, Ready)
	io.Copy(io.Discard, done)
	lost := 0
	for _, c := range conns {
		if !c.alive() {
			lost++
		}
	}
	_, err := fmt.Fprintln(says, lost)
	return err
}

// fetch makes one request and throws its answer away.
func (c conn) fetch(request []byte) error {
	if err := c.send(request); err != nil {
		return err
	}
	length, got, err := c.head(make([]byte, maxHead))
	for err == nil && got < length {
		var n int64
		n, err = c.skip(length - got)
		got += n
	}
	return err
}

// Dribbling.
const (
	turns    = 100                   // a tick serves one connection in so many
	tick     = time.Millisecond      // so each connection sends a byte every 100 ms, and they take turns
	slowLine = "X-Slow: dribble\r\n" // sent again and again, and never followed by an empty line
	slowHead = "GET %s HTTP/1.1\r\nHost: %s\r\n"
)

// slow is one connection of Dribble.
type slow struct {
	conn
	sent int // bytes
}

// Dribble keeps n connections that send a head a byte at a time and never end it. It
// writes a line when all are open. A connection that the server closes is replaced; when
// done ends, Dribble writes how many those were.
func Dribble(addr netip.AddrPort, path string, n int, says io.Writer, done io.Reader) error {
	all := make([]slow, n)
	var err error
	for i := range all {
		if all[i].conn, err = dial(addr); err != nil {
			return err
		}
		defer func() { all[i].close() }()
	}
	fmt.Fprintln(says, Ready)
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, done)
		close(over)
	}()
	start := fmt.Appendf(nil, slowHead, path, addr)
	cut := 0
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-over:
			_, err := fmt.Fprintln(says, cut)
			return err
		case <-clock.C:
		}
		for i := turn % turns; i < len(all); i += turns {
			if all[i].next(start) {
				continue
			}
			cut++
			all[i].close()
			if all[i].conn, err = dial(addr); err != nil {
				return err
			}
			all[i].sent = 0
		}
	}
}

// next sends one more byte, and reports whether the server still listens. An answer
// means that it has given up on the request.
func (s *slow) next(start []byte) bool {
	if s.sent > 0 && !s.alive() {
		return false
	}
	b := slowLine[max(s.sent-len(start), 0)%len(slowLine)]
	if s.sent < len(start) {
		b = start[s.sent]
	}
	s.sent++
	return s.send([]byte{b}) == nil
}
