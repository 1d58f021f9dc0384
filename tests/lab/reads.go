//go:build linux

package main

// What a stream keeps of the writes that went into it: nothing.
//
// Both ends are in this process, so that the reader knows when all has arrived. What must not be
// done: no pause may stand for that knowledge.

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

var reads = lab{
	name:    "reads",
	seconds: 1,
	asks:    "A client writes one byte, 65 times. The server looks only after the last one. How many calls of read does it take to get them?",
	unit:    "calls",
	run:     runReads,
}

// bufferSize is that of the server's buffer, as in the stages.
const bufferSize = 16 << 10

func runReads(r *rig) (res result, err error) {
	res = result{Unit: "reads", Learnt: "TCP carries bytes and no messages: how many reads they take depends on when you look, and on your buffer.\n" +
		"A program that takes what one read returns for one message works until the day it does not."}
	r.say("65 bytes in one write")
	one, err := countReads(make([]byte, 65), 65, false)
	if err != nil {
		return res, err
	}
	r.say("65 writes of one byte, each read before the next")
	drips, err := countReads(make([]byte, 65), 1, true)
	if err != nil {
		return res, err
	}
	r.say("65 writes of one byte, read after the last")
	late, err := countReads(make([]byte, 65), 1, false)
	if err != nil {
		return res, err
	}
	r.say("1 MiB in one write")
	large, err := countReads(make([]byte, 1<<20), 1<<20, true)
	if err != nil {
		return res, err
	}
	res.add("1 write of 65 bytes", float64(one))
	res.add("65 writes, read at once", float64(drips))
	res.add("65 writes, read late", float64(late))
	res.add("1 write of 1 MiB", float64(large))
	res.Answer = float64(late)
	res.claims(one == 1 && late == 1, "what is there is read by one call, however it was written")
	res.claims(drips == 65, "who looks after each byte needs 65 calls for the same bytes")
	res.claims(large >= 1<<20/bufferSize, "one write of 1 MiB takes at least %d reads into %d bytes", 1<<20/bufferSize, bufferSize)
	return res, nil
}

// countReads sends a text in pieces of so many bytes and counts the reads that get it. A reader who
// looks at once has each piece before the next is sent; one who does not looks when all was sent.
func countReads(text []byte, piece int, atOnce bool) (n int, err error) {
	client, server, err := connected()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	defer server.Close()
	read := func(want int) error {
		buf := make([]byte, bufferSize)
		for want > 0 {
			got, err := server.Read(buf)
			if err != nil {
				return err
			}
			want -= got
			n++
		}
		return nil
	}
	if piece == len(text) { // it may be more than a socket holds
		wrote := make(chan error, 1)
		go func() {
			_, err := client.Write(text)
			wrote <- err
		}()
		if !atOnce {
			err = errors.Join(<-wrote, await(server, len(text)))
		}
		return n, errors.Join(err, read(len(text)))
	}
	for rest := text; len(rest) > 0; rest = rest[piece:] {
		if _, err := client.Write(rest[:piece]); err != nil {
			return n, err
		}
		if atOnce {
			if err := read(piece); err != nil {
				return n, err
			}
		}
	}
	if !atOnce {
		if err = await(server, len(text)); err == nil {
			err = read(len(text))
		}
	}
	return n, err
}

// connected is the two ends of a connection.
func connected() (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Close()
	}
	return client, server, err
}

// await waits until so many bytes have arrived, and leaves them where they are (recv(2), MSG_PEEK).
func await(c net.Conn, want int) (err error) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	buf := make([]byte, want)
	return errors.Join(raw.Read(func(fd uintptr) bool {
		n, _, fault := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if fault != nil && fault != unix.EAGAIN {
			err = fault
			return true
		}
		if n > 0 && n < want { // the poller tells of the first byte alone
			time.Sleep(time.Millisecond)
		}
		return n == want
	}), err)
}
