//go:build linux

package main

// Ten threads, ten clients that do nothing, and the eleventh.
//
// The ten leave as soon as the server tells them to, as clients do: who stays makes the server
// linger. What must not be done: they must not begin to speak while the eleventh waits, or it is
// another experiment.

import (
	"fmt"
	"io"
	"time"
)

var ten = lab{
	name:    "ten",
	seconds: 15,
	asks:    "Ten threads, and ten clients that have connected and say nothing; -idle-timeout is 6 seconds. How long does the eleventh wait?",
	unit:    "s",
	run:     runTen,
}

func runTen(r *rig) (res result, err error) {
	idle, head := either(r, 2, 6), either(r, 1, 3)
	res = result{Unit: "s", Learnt: "A thread that waits in read serves nobody, so ten silent clients are a whole pool: whoever is next waits for a\n" +
		"time-out, and which one depends on how far the ten have come. The same clients cost stage 3 a few hundred bytes each."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	flags := []string{"-root", root, "-idle-timeout", fmt.Sprint(idle), "-head-timeout", fmt.Sprint(head)}
	pool, err := r.start("stage1-threadpool", append(flags, "-workers", "10")...)
	if err != nil {
		return res, err
	}
	loop, err := r.start("stage3-epoll", flags...)
	if err != nil {
		return res, err
	}
	silent, err := r.eleventh(pool, "silent", "", 0)
	if err != nil {
		return res, err
	}
	half, err := r.eleventh(pool, "with half a request", "GET /page.txt HT", 0)
	if err != nil {
		return res, err
	}
	drips, err := r.eleventh(pool, "that send a byte now and then", "GET /", time.Duration(head)*time.Second/4)
	if err != nil {
		return res, err
	}
	none, err := r.eleventh(loop, "silent, at stage 3", "", 0)
	if err != nil {
		return res, err
	}
	res.add("beside ten silent ones", silent)
	res.add("beside ten halves", half)
	res.add("beside ten that drip", drips)
	res.add("stage 3, ten silent ones", none)
	res.Answer = silent
	res.claims(half > none && drips > none && silent > none, "with ten threads the eleventh waits, and with a loop it does not")
	res.claims(silent > half, "silent clients hold a thread for -idle-timeout, half requests for -head-timeout, which is shorter")
	res.claims(drips < silent, "a byte now and then gains no time: the head's time is counted from its first byte")
	return res, nil
}

// eleventh is how long a request takes, in seconds, beside ten connections that have sent
// something, and send a byte more at each interval, if there is one.
func (r *rig) eleventh(s *server, who, send string, each time.Duration) (float64, error) {
	r.say("ten clients %s, and one that asks", who)
	c, err := gather(s.addr, 10, send)
	if err != nil {
		return 0, err
	}
	defer c.close()
	c.leaveWhenTold()
	if each > 0 {
		ticks := time.NewTicker(each)
		defer ticks.Stop()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-ticks.C:
					for _, conn := range c {
						io.WriteString(conn, "a")
					}
				case <-stop:
					return
				}
			}
		}()
	}
	begin := time.Now()
	if end, err := fetch(s.addr, "/page.txt"); end != answered {
		return 0, fmt.Errorf("the eleventh: %w", err)
	}
	return time.Since(begin).Seconds(), nil
}
