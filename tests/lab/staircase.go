//go:build linux

package main

// A queue before a pool of threads, and clients that say nothing: who ends when.
//
// Each client leaves as soon as the server ends its connection. What must not be done: the clients
// must not come together with one that asks for something, or it is another experiment (ten).

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

var staircase = lab{
	name:    "staircase",
	seconds: 40,
	asks: "Ten threads, a queue of 50, -idle-timeout 6, and 63 clients that connect and say nothing. " +
		"After how many seconds is the last of them gone?",
	unit: "s",
	run:  runStaircase,
}

func runStaircase(r *rig) (res result, err error) {
	threads, queue, over, idle := either(r, 2, 10), either(r, 6, 50), either(r, 1, 3), either(r, 1, 6)
	res = result{Unit: "s", Learnt: "The queue is not patience but more clients who wait: each round of time-outs serves as many as there are threads.\n" +
		"A connection's deadlines begin when a thread takes it, so nobody counts the time in the queue, except the client."}
	s, err := r.start("stage1-threadpool", "-workers", fmt.Sprint(threads), "-queue", fmt.Sprint(queue), "-idle-timeout", fmt.Sprint(idle))
	if err != nil {
		return res, err
	}
	all := threads + queue + over
	r.say("%d silent clients", all)
	began := time.Now()
	silent, err := gather(s.addr, all, "")
	if err != nil {
		return res, err
	}
	defer silent.close()
	var mu sync.Mutex
	var refusals int
	var ends []float64
	var waits sync.WaitGroup
	for _, c := range silent {
		waits.Go(func() {
			c.SetDeadline(time.Now().Add(time.Minute))
			line, err := bufio.NewReader(c).ReadString('\n')
			told := err == nil && strings.HasPrefix(line, "HTTP/1.1 503 ")
			if err == nil || err == io.EOF {
				io.Copy(io.Discard, c)
			}
			c.Close()
			mu.Lock()
			defer mu.Unlock()
			if told {
				refusals++
			} else {
				ends = append(ends, time.Since(began).Seconds())
			}
		})
	}
	waits.Wait()
	slices.Sort(ends)
	res.add(fmt.Sprintf("%d clients, 503", refusals), 0)
	res.claims(refusals == over, "%d have no place and are told at once, with 503", over)
	for step := 0; step*threads < len(ends); step++ {
		group := ends[step*threads : min((step+1)*threads, len(ends))]
		res.Bars = append(res.Bars, bar{Label: fmt.Sprintf("clients %d to %d", step*threads+1, step*threads+len(group)), To: group[len(group)-1]})
		res.claims(group[0] >= float64((step+1)*idle), "clients %d to %d go after %d s and not before: it is round %d",
			step*threads+1, step*threads+len(group), (step+1)*idle, step+1)
	}
	res.Answer = ends[len(ends)-1]
	return res, nil
}
