//go:build linux

package main

// Uploads that begin and do not go on, and somebody who wants a page.
//
// Each upload stays until the server has ended it. What must not be done: the guest must not come
// before all of them are there.

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var slowPost = lab{
	name:    "slowpost",
	seconds: 50,
	asks: "Fifty clients begin an upload and send nothing more. Stage 1 has ten threads. " +
		"How long does somebody wait who asks for a page after them?",
	unit: "s",
	run:  runSlowPost,
}

// beginning is an upload's head and three bytes of its body.
const beginning = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n[1,"

// grace is how long a body may stand still, at the least.
const grace = 5.0

// siege is what became of the uploads, and of the guest.
type siege struct {
	guest  float64   // seconds until it had its page
	before int       // uploads that had been ended by then
	cut    []float64 // seconds until each upload was told of its end, with 408
}

func runSlowPost(r *rig) (res result, err error) {
	threads, uploads := either(r, 2, 10), either(r, 2, 50)
	res = result{Unit: "s", Learnt: "A minimum rate bounds what a slow client costs: seconds of a thread, and then it is cut. With a thread each, that is the price of\n" +
		"everybody in the queue, round after round. For a loop a client that sends nothing is nothing to do."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	var sieges [2]siege
	var servers [2]*server
	for i, stage := range []string{"stage1-threadpool", "stage3-epoll"} {
		flags := []string{"-root", root, "-uploads", r.dir, "-adaptive", "off"}
		if i == 0 {
			flags = append(flags, "-workers", fmt.Sprint(threads))
		}
		if servers[i], err = r.start(stage, flags...); err != nil {
			return res, err
		}
	}
	r.say("%d uploads to each, and a guest", uploads)
	var both sync.WaitGroup
	var faults [2]error
	for i := range sieges {
		both.Go(func() { sieges[i], faults[i] = besiege(servers[i].addr, uploads) })
	}
	both.Wait()
	for i, name := range []string{"stage 1", "stage 3"} {
		if faults[i] != nil {
			return res, fmt.Errorf("%s: %w", name, faults[i])
		}
		g := sieges[i]
		first, last := g.cut[0], g.cut[0]
		for _, at := range g.cut {
			first, last = min(first, at), max(last, at)
		}
		res.add(name+": the guest", g.guest)
		res.add(name+": first upload cut", first)
		res.add(name+": last upload cut", last)
		res.claims(first >= grace, "%s: all %d uploads are ended with 408, and none before its %.0f s are over", name, uploads, grace)
	}
	res.Answer = sieges[0].guest
	res.claims(sieges[0].before > uploads-threads, "stage 1: a thread was free for the guest when %d of the uploads had been ended", sieges[0].before)
	res.claims(sieges[1].before == 0, "stage 3: the guest had its page while all of them were there")
	return res, nil
}

// besiege begins the uploads, has a guest ask, and waits for the end of all.
func besiege(addr string, uploads int) (s siege, err error) {
	began := time.Now()
	slow, err := gather(addr, uploads, beginning)
	if err != nil {
		return s, err
	}
	defer slow.close()
	var over atomic.Int64
	var waits sync.WaitGroup
	cut, lines := make([]float64, uploads), make([]string, uploads)
	for i, c := range slow {
		waits.Go(func() {
			c.SetDeadline(time.Now().Add(time.Minute))
			lines[i], _ = bufio.NewReader(c).ReadString('\n')
			cut[i] = time.Since(began).Seconds()
			over.Add(1)
			io.Copy(io.Discard, c)
			c.Close()
		})
	}
	end, err := fetchWithin(addr, "/page.txt", time.Minute)
	s = siege{guest: time.Since(began).Seconds(), before: int(over.Load()), cut: cut}
	if end != answered {
		return s, fmt.Errorf("the guest: %w", err)
	}
	waits.Wait()
	for _, line := range lines {
		if !strings.HasPrefix(line, "HTTP/1.1 408 ") {
			return s, fmt.Errorf("an upload hears %q", line)
		}
	}
	return s, nil
}
