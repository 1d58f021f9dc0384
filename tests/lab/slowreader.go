//go:build linux

package main

// One thread, a client that has stopped reading, and somebody who wants a small file.
//
// The server that waits in write is made here. What must not be done: the large file must not fit
// into the buffers of the sockets, or nobody waits.

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

var slowReader = lab{
	name:    "slow-reader",
	seconds: 10,
	asks: "A client asks stage 2, which has one thread, for a large file, and stops reading. " +
		"How many times as long as before does another one wait for a small file?",
	unit: "times",
	run:  runSlowReader,
}

func runSlowReader(r *rig) (res result, err error) {
	looked := either(r, 500*time.Millisecond, 3*time.Second)
	size := either[int64](r, 128<<20, 1<<30)
	res = result{Unit: "ms", Apart: true, Learnt: "A write that waits gives the thread away to whoever reads slowest. One that does not returns what fitted: the program has to\n" +
		"remember the rest for each client, and poll tells when there is room. And one that takes all it can get has a turn's share, no more."}
	root, err := r.folderWithHole("film.txt", size)
	if err != nil {
		return res, err
	}
	waiting, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return res, err
	}
	defer waiting.Close()
	go servesOneByOne(waiting, size)
	loop, err := r.start("stage2-poll", "-root", root, "-workers", "1")
	if err != nil {
		return res, err
	}
	r.say("a thread that waits in write: a small file, beside a client that has stopped reading")
	stopped, err := r.film(waiting.Addr().String(), false)
	if err != nil {
		return res, err
	}
	defer stopped.Close()
	stuck, err := fetched(r, waiting.Addr().String(), looked)
	if err != nil {
		return res, err
	}
	alone, err := medianOf(r, loop.addr)
	if err != nil {
		return res, err
	}
	r.say("stage 2: small files, beside a client that has stopped reading")
	still, err := r.film(loop.addr, false)
	if err != nil {
		return res, err
	}
	defer still.Close()
	slow, err := medianOf(r, loop.addr)
	if err != nil {
		return res, err
	}
	served, greedyLeft, err := r.besideGreedy(loop.addr, size)
	if err != nil {
		return res, err
	}
	res.add("stage 2, alone", alone.seconds()*1e3)
	res.add("stage 2, beside a slow reader", slow.seconds()*1e3)
	res.Bars = append(res.Bars, bar{Label: "waiting in write, beside one", To: stuck.seconds() * 1e3, Open: stuck.open})
	res.Answer = slow.seconds() / alone.seconds()
	res.claims(stuck.open, "a thread that waits in write serves nobody, for as long as we looked")
	res.claims(!slow.open, "stage 2 serves small files while the large one lies still")
	res.claims(served > 0 && greedyLeft, "and %d of them while another client takes the large one as fast as it can", served)
	return res, nil
}

// servesOneByOne is a server of one thread whose writes wait.
func servesOneByOne(l net.Listener, size int64) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		head := make([]byte, 4<<10)
		n, _ := c.Read(head)
		body := int64(100)
		if strings.Contains(string(head[:n]), "film") {
			body = size
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", body)
		for piece := make([]byte, 64<<10); body > 0; body -= int64(len(piece)) {
			piece = piece[:min(int64(len(piece)), body)]
			if _, err := c.Write(piece); err != nil {
				break
			}
		}
		c.Close()
	}
}

// fetched is how long a small file takes, as far as it is looked at.
func fetched(r *rig, addr string, looked time.Duration) (span, error) {
	began, done := time.Now(), make(chan error, 1)
	go func() {
		_, err := fetch(addr, "/page.txt")
		done <- err
	}()
	select {
	case err := <-done:
		return span{Duration: time.Since(began)}, err
	case <-time.After(looked):
		return span{Duration: looked, open: true}, nil
	case <-r.ctx.Done():
		return span{}, r.ctx.Err()
	}
}

// medianOf is how long a small file takes, of several the one in the middle.
func medianOf(r *rig, addr string) (span, error) {
	var all []span
	for range 15 {
		s, err := fetched(r, addr, patience)
		if err != nil || s.open {
			return s, fmt.Errorf("a small file takes %v: %w", s.Duration, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b span) int { return int(a.Duration - b.Duration) })
	return all[len(all)/2], nil
}

// film asks for the large file and reads its first byte.
func (r *rig) film(addr string, slow bool) (net.Conn, error) {
	c, err := dial(r.ctx, addr, slow)
	if err != nil {
		return nil, err
	}
	if _, err = io.WriteString(c, request("/film.txt")); err == nil {
		c.SetReadDeadline(time.Now().Add(answerTime))
		_, err = c.Read(make([]byte, 1))
		c.SetReadDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
	}
	return c, err
}

// besideGreedy is how many small files somebody gets while another takes the large one as fast as
// it can, and whether that one was still at it then.
func (r *rig) besideGreedy(addr string, size int64) (served int, left bool, err error) {
	r.say("stage 2: small files, beside a client that takes the large one as fast as it can")
	c, err := r.film(addr, false)
	if err != nil {
		return 0, false, err
	}
	var got atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 256<<10); ; {
			n, err := c.Read(buf)
			got.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()
	defer func() { c.Close(); <-done }()
	for range 5 {
		if _, err := fetch(addr, "/page.txt"); err != nil {
			return served, false, err
		}
		if got.Load() >= size {
			break
		}
		served, left = served+1, true
	}
	return served, left, nil
}
