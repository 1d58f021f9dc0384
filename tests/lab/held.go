//go:build linux

package main

// For how long a slow client keeps the server behind the server, with a queue between and without.
//
// The application is made here: it knows to the moment when it has said all. What must not be done:
// the answer must not be so small that the kernel's buffers on the way hold it.

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

var held = lab{
	name:    "held",
	seconds: 10,
	asks: "An application makes an answer of 16 MiB. Its client, behind a proxy, reads 10 KB a second: 27 minutes. " +
		"For how long is the application's connection taken?",
	unit: "s",
	run:  runHeld,
}

const (
	answerSize = 16 << 20               // more than the kernel's buffers on the way hold
	slowPiece  = 1 << 10                // what the slow client reads at once
	slowPause  = 100 * time.Millisecond // and how often
	slowBuffer = 64 << 10               // its kernel's buffer
)

func runHeld(r *rig) (res result, err error) {
	looked := either(r, time.Second, 4*time.Second)
	res = result{Unit: "s", Learnt: "A queue between the two sockets takes what the application says as fast as it says it: into memory, then into a file\n" +
		"that has no name. The application is free for its next request, and the slow client reads on from the proxy."}
	app, err := newApplication(answerSize)
	if err != nil {
		return res, err
	}
	defer app.listener.Close()
	queue, err := r.start("stage3-epoll", "-proxy", "/=http://"+app.listener.Addr().String(), "-proxy-spill-dir", r.dir)
	if err != nil {
		return res, err
	}
	none, err := r.start("stage3-epoll", "-proxy", "/=http://"+app.listener.Addr().String(), "-proxy-buffer", "64", "-proxy-spill", "0")
	if err != nil {
		return res, err
	}
	r.say("a client that reads as fast as it can")
	fast, _, err := r.hold(app, queue, false, looked)
	if err != nil {
		return res, err
	}
	r.say("a client that reads 10 KB a second, and the proxy's queue")
	slow, read, err := r.hold(app, queue, true, patience)
	if err != nil {
		return res, err
	}
	r.say("the same client, and a proxy without a queue (not looked at for longer than %v)", looked)
	stuck, _, err := r.hold(app, none, true, looked)
	if err != nil {
		return res, err
	}
	res.add("fast client", fast.seconds())
	res.add("slow client, with a queue", slow.seconds())
	res.Bars = append(res.Bars, bar{Label: "slow client, without", To: stuck.seconds(), Open: stuck.open})
	res.Answer = slow.seconds()
	res.claims(!slow.open && read < answerSize/4, "with the queue the application is free when its client has read %d KiB of %d", read>>10, answerSize>>10)
	res.claims(stuck.open, "without it the application still waited when we looked away")
	return res, nil
}

// span is how long something took, or has taken so far.
type span struct {
	time.Duration
	open bool
}

func (s span) seconds() float64 { return s.Duration.Seconds() }

// application answers each request with so many bytes and tells when it has said all.
type application struct {
	listener net.Listener
	size     int64
	began    chan time.Time
	ended    chan time.Time
}

func newApplication(size int64) (*application, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &application{listener: l, size: size, began: make(chan time.Time, 8), ended: make(chan time.Time, 8)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.answer(c)
		}
	}()
	return a, nil
}

// answer reads a head and sends the answer. What the kernel still has when all is written counts as
// said: its buffer is small.
func (a *application) answer(c net.Conn) {
	defer c.Close()
	c.(*net.TCPConn).SetWriteBuffer(slowBuffer)
	var head [4096]byte
	if _, err := c.Read(head[:]); err != nil {
		return // a connection that was made for later
	}
	a.began <- time.Now()
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", a.size)
	for left := a.size; left > 0; {
		n, err := c.Write(make([]byte, min(left, 32<<10)))
		if err != nil {
			return
		}
		left -= int64(n)
	}
	a.ended <- time.Now()
}

// hold has a client ask through a proxy, and returns for how long the application was busy with it,
// and how much the client had read by then.
func (r *rig) hold(a *application, s *server, slow bool, looked time.Duration) (taken span, read int64, err error) {
	c, err := dial(r.ctx, s.addr, slow)
	if err != nil {
		return taken, 0, err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request("/large")); err != nil {
		return taken, 0, err
	}
	var got atomic.Int64
	go func() {
		buf := make([]byte, 64<<10)
		if slow {
			buf = buf[:slowPiece]
		}
		for {
			n, err := c.Read(buf)
			got.Add(int64(n))
			if err != nil {
				return
			}
			if slow {
				time.Sleep(slowPause)
			}
		}
	}()
	var began time.Time
	select {
	case began = <-a.began:
	case <-time.After(patience):
		return taken, 0, fmt.Errorf("the proxy has not asked the application: %s", s.said())
	case <-r.ctx.Done():
		return taken, 0, r.ctx.Err()
	}
	select {
	case ended := <-a.ended:
		return span{Duration: ended.Sub(began)}, got.Load(), nil
	case <-time.After(looked):
		return span{Duration: looked, open: true}, got.Load(), nil
	case <-r.ctx.Done():
		return taken, 0, r.ctx.Err()
	}
}

// dial connects, with a small buffer in the kernel for a client who is to be slow: a large one
// would read for it.
func dial(ctx context.Context, addr string, slow bool) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if slow {
			raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, slowBuffer)
			})
		}
		return err
	}}
	return d.DialContext(ctx, "tcp", addr)
}
