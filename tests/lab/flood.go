//go:build linux

package main

// One address that floods, and a guest from another one.
//
// Every address of 127.0.0.0/8 is this machine, so the two can differ. What must not be done: no
// request's end may be passed over, and nothing may be sent anywhere else.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

var flood = lab{
	name:    "flood",
	seconds: 10,
	asks: "The server lets a client ask 200 times a second, 400 at once, and bans after 20 refusals in a row. " +
		"Sixteen connections of one address ask as fast as they can. How many of their requests are answered with the page?",
	unit: "requests",
	run:  runFlood,
}

// attacker is the address that floods.
var attacker = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}

// flooded is what a flood has come to.
type flooded struct {
	passed, refused, nothing atomic.Int64
	began                    time.Time
	took                     atomic.Int64 // nanoseconds, from the beginning to the last page
}

func runFlood(r *rig) (res result, err error) {
	rate, burst, conns, deaf := either(r, 50, 200), either(r, 40, 400), either(r, 8, 16), either[int64](r, 50, 1000)
	const inARow = 20
	res = result{Unit: "requests", Learnt: "One number for each client is enough to allow a burst and a rate. Whoever goes on against refusals is banned, and then costs\n" +
		"a connection that is closed at once. All is counted by address, so the guest from another one does not notice."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	s, err := r.start("stage3-epoll", "-root", root, "-rate-exempt", "none", "-adaptive", "off", "-max-requests", "0",
		"-rate", fmt.Sprint(rate), "-burst", fmt.Sprint(burst), "-ban-after", fmt.Sprint(inARow))
	if err != nil {
		return res, err
	}
	r.say("%d connections from %s, and a guest", conns, attacker.IP)
	f := &flooded{began: time.Now()}
	stop := make(chan struct{})
	var attackers sync.WaitGroup
	for range conns {
		attackers.Go(func() { f.attack(s.addr, stop) })
	}
	guests := 0
	err = r.until("the attacker is banned", func() bool {
		if guests < burst/2 { // the guest has a rate as well
			if end, _ := fetch(s.addr, "/page.txt"); end == answered {
				guests++
			}
		}
		return f.nothing.Load() >= deaf && guests == burst/2
	})
	close(stop)
	attackers.Wait()
	if err != nil {
		return res, err
	}
	took := time.Duration(f.took.Load())
	passed, refused, nothing := f.passed.Load(), f.refused.Load(), f.nothing.Load()
	res.add("flood: the page", float64(passed))
	res.add("flood: 429", float64(refused))
	res.add("flood: no answer", float64(nothing))
	res.add("guest: the page", float64(guests))
	res.Answer = float64(passed)
	most := burst + int(took.Seconds()*float64(rate)) + 1
	res.claims(passed >= int64(burst) && passed <= int64(most), "the flood has its burst of %d, and its rate for the %.2f s until the last of them: at most %d", burst, took.Seconds(), most)
	res.claims(refused >= inARow-1, "then it is refused, %d times, and banned", refused)
	res.claims(nothing >= deaf, "from then on it hears nothing")
	res.claims(guests == burst/2, "the guest has all the %d pages that it asked for meanwhile", guests)
	return res, nil
}

// attack asks until it is told to stop, on a new connection whenever one has ended.
func (f *flooded) attack(addr string, stop <-chan struct{}) {
	from := net.Dialer{LocalAddr: attacker}
	for {
		select {
		case <-stop:
			return
		default:
		}
		c, err := from.Dial("tcp", addr)
		if err != nil {
			f.nothing.Add(1)
			continue
		}
		c.SetDeadline(time.Now().Add(answerTime))
		f.ask(c, stop)
		c.Close()
		time.Sleep(time.Millisecond) // or a ban is a race for this machine's ports
	}
}

// ask asks on one connection until it ends.
func (f *flooded) ask(c net.Conn, stop <-chan struct{}) {
	for answers := bufio.NewReader(c); ; {
		select {
		case <-stop:
			return
		default:
		}
		_, err := io.WriteString(c, keptRequest)
		var a *http.Response
		if err == nil {
			a, err = http.ReadResponse(answers, nil)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, a.Body)
		}
		if err != nil {
			f.nothing.Add(1)
			return
		}
		if a.StatusCode == http.StatusOK {
			f.passed.Add(1)
			f.last(time.Since(f.began))
		} else {
			f.refused.Add(1)
		}
		if a.Close {
			return
		}
	}
}

// last notes when a page came, if none has come later.
func (f *flooded) last(at time.Duration) {
	for {
		before := f.took.Load()
		if before >= int64(at) || f.took.CompareAndSwap(before, int64(at)) {
			return
		}
	}
}
