//go:build linux

package main

// Refusing somebody who is still talking: written and closed at once, and as stage 1 does it.
//
// The hasty server is made here, since no stage is like that. What must not be done: the client
// must not be made wiser than most are, who give up at the first error of a write.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"time"
)

var closing = lab{
	name:    "close",
	seconds: 5,
	asks:    "20 clients are uploading. A server that is full writes each of them a perfect 503, and closes. How many learn why?",
	unit:    "clients",
	run:     runClosing,
}

const uploaders = 20

func runClosing(r *rig) (res result, err error) {
	res = result{Unit: "told why", Learnt: "close(2) with bytes still coming sends a reset, and the client's next write fails before it has read a word.\n" +
		"Ending politely is three steps: shut the sending half, read and drop what still comes, for a bounded time, and only then close."}
	hasty, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return res, err
	}
	defer hasty.Close()
	go refuseHastily(hasty)
	r.say("%d uploads to a server that writes its refusal and closes", uploaders)
	rude := told(hasty.Addr().String())

	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	full, err := r.start("stage1-threadpool", "-root", root, "-workers", "1", "-queue", "1", "-idle-timeout", "3600")
	if err != nil {
		return res, err
	}
	inside, err := gather(full.addr, 2, "") // one has the thread, the other the queue
	if err != nil {
		return res, err
	}
	defer inside.close()
	r.say("%d uploads to stage 1, which is full", uploaders)
	polite := told(full.addr)
	res.add("written and closed", float64(rude))
	res.add("stage 1", float64(polite))
	res.Answer = float64(rude)
	res.claims(rude <= 2, "hardly anybody hears a server that closes while they talk")
	res.claims(polite == uploaders, "all %d hear stage 1", uploaders)
	return res, nil
}

// refuseHastily is a server that is always full.
func refuseHastily(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		c.Close()
	}
}

// told is how many of the clients, one after the other, have read that they are refused.
func told(addr string) (n int) {
	for range uploaders {
		if line, err := upload(addr); err == nil && line == "HTTP/1.1 503 Service Unavailable\r\n" {
			n++
		}
	}
	return n
}

// upload sends a body in small pieces, as over a slow line, then reads the answer's first line, and
// gives up at the first error. Most programs work in this way.
func upload(addr string) (string, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	fmt.Fprint(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n")
	for range 50 {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			return "", err
		}
		time.Sleep(time.Millisecond)
	}
	return bufio.NewReader(c).ReadString('\n')
}
