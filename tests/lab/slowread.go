//go:build linux

package main

// Three clients who read: one as fast as it can, one steadily, and one who stops.
//
// Who has stopped reading does not notice that it was cut, so the server's log tells when. What
// must not be done: the file must not be so small that the kernel's buffers on the way hold it.

import (
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

var slowRead = lab{
	name:    "slowread",
	seconds: 75,
	asks: "A client takes the first megabytes of a large file, as fast as they come, and then reads nothing. " +
		"The server demands 240 bytes a second. After how many seconds is the client cut?",
	unit: "s",
	run:  runSlowRead,
}

// tooSlow is what the log says of a reader that was cut.
const tooSlow = "reason=reader-too-slow"

func runSlowRead(r *rig) (res result, err error) {
	rate := either(r, 2<<20, 240)
	piece, pause := either(r, 1<<20, 10<<10), either(r, 50*time.Millisecond, time.Second)
	size := either[int64](r, 256<<20, 1<<30)
	patient := either(r, patience, 2*time.Minute)
	res = result{Unit: "s", Learnt: "A client is not judged by the moment but by what it has taken since it came, and at most a minute's worth of that counts.\n" +
		"So a steady reader may be slow, one who pauses may pause, and who has stopped for good is cut, whatever it took before."}
	root, err := r.folderWithHole("film.txt", size)
	if err != nil {
		return res, err
	}
	s, err := r.start("stage3-epoll", "-root", root, "-min-rate", fmt.Sprint(rate))
	if err != nil {
		return res, err
	}
	r.say("one client reads as fast as it can, one steadily, one stops")
	began := time.Now()
	stopped, err := r.film(s.addr, false)
	if err != nil {
		return res, err
	}
	defer stopped.Close()
	steady, err := r.film(s.addr, true)
	if err != nil {
		return res, err
	}
	defer steady.Close()
	var taken, ended atomic.Int64
	go func() {
		for buf := make([]byte, piece); ; time.Sleep(pause) {
			n, err := io.ReadFull(steady, buf)
			taken.Add(int64(n))
			if err != nil {
				ended.Add(1)
				return
			}
		}
	}()
	whole, err := wholeFilm(s.addr)
	if err != nil {
		return res, err
	}
	fast := time.Since(began).Seconds()
	for end := began.Add(patient); s.logged(tooSlow) == 0 && time.Now().Before(end) && r.ctx.Err() == nil; {
		time.Sleep(again)
	}
	cut := time.Since(began).Seconds()
	going, slows := ended.Load() == 0 || taken.Load() >= size, s.logged(tooSlow)
	res.add("as fast as it can", fast)
	res.Bars = append(res.Bars, bar{Label: "steadily", To: cut, Open: going})
	res.add("stopped", cut)
	res.Answer = cut
	res.claims(whole >= size, "who reads as fast as it can has the whole file")
	res.claims(going, "who reads steadily, and no less than the rate, is served for as long as we looked")
	res.claims(slows == 1 && cut >= grace, "one is cut: the one who has stopped, and not before its %.0f s are over", grace)
	return res, nil
}

// wholeFilm is how much of the large file comes to somebody who takes all of it.
func wholeFilm(addr string) (n int64, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request("/film.txt")); err != nil {
		return 0, err
	}
	return io.CopyBuffer(io.Discard, onlyReads{c}, make([]byte, 1<<20))
}

// onlyReads hides what else a connection can do, so that io.Copy uses the buffer that it is given.
type onlyReads struct{ io.Reader }
