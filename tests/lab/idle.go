//go:build linux

package main

// The price of those who do nothing: the chart of the course.
//
// It counts requests for each second of the server's processor. What must not be done: no time of
// the clock may be compared, since whoever else uses the machine would be measured too.

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"fourways/tests/bench/proc"
)

var idle = lab{
	name:    "idle",
	seconds: 20,
	asks:    "One client asks as fast as it can, beside 10,000 connections that do nothing. For each second of its processor's time, how many requests does the server with poll(2) still answer, in % of those without the 10,000?",
	unit:    "%",
	run:     runIdle,
}

func runIdle(r *rig) (res result, err error) {
	res = result{Unit: "% of the rate", Learnt: "poll(2) is given the whole list each time, and looks at each of it each time, so those who do nothing are paid for by\n" +
		"those who do something. epoll keeps the list in the kernel, and is told of what is ready: it pays for what happens."}
	crowds := either(r, []int{0, 500, 4000}, []int{0, 100, 1000, 10000})
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	left := map[string]float64{}
	res.Chart = &chart{Over: "idle connections"}
	for _, n := range crowds {
		res.Chart.Steps = append(res.Chart.Steps, fmt.Sprint(n))
	}
	for _, stage := range []string{"stage2-poll", "stage3-epoll"} {
		s, err := r.start(stage, "-root", root, "-workers", "1", "-max-requests", "0", "-idle-timeout", "3600")
		if err != nil {
			return res, err
		}
		alone, line := 0.0, curve{Label: stage}
		for _, n := range crowds {
			rate, err := r.beside(s, stage, n)
			if err != nil {
				return res, err
			}
			if alone == 0 {
				alone = rate
			}
			left[stage] = 100 * rate / alone
			res.add(fmt.Sprintf("%s, %d idle", stage, n), left[stage])
			line.At = append(line.At, left[stage])
		}
		res.Chart.Curves = append(res.Chart.Curves, line)
		s.stop()
	}
	poll, epoll := left["stage2-poll"], left["stage3-epoll"]
	res.Answer = poll
	part := either(r, 2.0, 20)
	res.claims(poll < epoll/part, "beside %d idle connections poll keeps less than 1/%.0f of what epoll keeps", crowds[len(crowds)-1], part)
	return res, nil
}

// keptRequest is a request on a connection that stays.
const keptRequest = "GET /page.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"

func readAnswer(b *bufio.Reader) error {
	a, err := http.ReadResponse(b, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.Body)
	return err
}

// beside is what one client is served beside n idle connections, in requests for each second of the
// server's processor: how busy the machine is otherwise makes no difference to that.
func (r *rig) beside(s *server, stage string, n int) (float64, error) {
	r.say("%s, %d idle connections", stage, n)
	c, err := gather(s.addr, n, keptRequest)
	if err != nil {
		return 0, err
	}
	defer c.close()
	for _, conn := range c { // before its first byte a connection may still be the kernel's alone
		if err := readAnswer(bufio.NewReader(conn)); err != nil {
			return 0, err
		}
	}
	client, err := net.Dial("tcp", s.addr)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(time.Minute))
	answers := bufio.NewReader(client)
	one := func() error {
		if _, err := io.WriteString(client, keptRequest); err != nil {
			return err
		}
		return readAnswer(answers)
	}
	for range 20 { // the first ones warm up
		if err := one(); err != nil {
			return 0, err
		}
	}
	before, err := proc.CPU(s.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	for requests := 0; ; {
		after, err := proc.CPU(s.cmd.Process.Pid)
		if err != nil {
			return 0, err
		}
		if used := after - before; used >= either(r, 100*time.Millisecond, time.Second) {
			return float64(requests) / used.Seconds(), nil
		}
		for range 50 { // between two looks
			if err := one(); err != nil {
				return 0, err
			}
			requests++
		}
	}
}
