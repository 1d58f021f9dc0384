//go:build linux

package main

// What more machines bring, by a small model, and what of it can be measured on this one.
//
// The model is four sentences:
//
//	capacity     a balancer's processor and the servers' work at the same time; the one that is busier bounds both
//	limits       a machine counts what it has seen: of N machines a client gets N times the limit
//	tickets      a session resumes on the machine that made its ticket: one time in N, unless they share keys
//	restarts     one machine away at a time takes N times its drain, and leaves N-1 to do the work
//
// Each is measured with one, two and four servers. What must not be done: nothing may be judged by
// the machine's speed. Capacity is requests for each second of processor time of the busiest.

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fourways/shared/plural"
	"fourways/tests/bench/proc"
)

var fleet = lab{
	name:    "fleet",
	seconds: 40,
	asks: "A balancer has one processor, and each server after it has one. They answer with files of 1 KB. " +
		"For how many such servers is that one processor enough?",
	unit: "servers",
	run:  runFleet,
}

const (
	fleetClients = 16
	fleetBurst   = 20 // requests that one client may send at once, on each machine
)

// model is a fleet on paper.
type model struct {
	server, balancer float64 // seconds of a processor for one request
	burst            int     // of a client, on one machine
}

// capacity is how many requests a second n servers do after one balancer.
func (m model) capacity(n int) float64 { return min(float64(n)/m.server, 1/m.balancer) }

// enough is for how many servers one balancer is.
func (m model) enough() float64 { return m.server / m.balancer }

// balancers is how many n servers need.
func (m model) balancers(n int) int {
	return max(1, int(math.Ceil(float64(n)*m.balancer/m.server)))
}

// allowed is how many requests of one client n machines serve at once.
func (m model) allowed(n int) int { return n * m.burst }

// resumed is the share of sessions that resume, where each machine has keys of its own.
func resumed(n int) float64 { return 1 / float64(n) }

// headroom is how much more than usual each of the others does while some are away.
func headroom(n, away int) float64 { return float64(n) / float64(n-away) }

// restart is how long it takes to restart n machines, some at a time.
func restart(n, away int, drain time.Duration) time.Duration {
	return time.Duration((n+away-1)/away) * drain
}

// measured is what was seen of n servers.
type measured struct {
	n        int
	requests int
	servers  []time.Duration // processor time of each
	balancer time.Duration
}

// capacity is requests for each second of the busiest processor.
func (m measured) capacity() float64 {
	busiest := m.balancer
	for _, s := range m.servers {
		busiest = max(busiest, s)
	}
	return float64(m.requests) / busiest.Seconds()
}

// evenness is what the least busy server has done, as a part of the busiest's work.
func (m measured) evenness() float64 {
	return slices.Min(m.servers).Seconds() / slices.Max(m.servers).Seconds()
}

func runFleet(r *rig) (res result, err error) {
	res = result{Unit: "requests", Apart: true, Learnt: "A machine more is a machine's work more, until the balancer's processor is full: then only another balancer helps. What machines do not\n" +
		"tell each other is counted N times (limits) or lost N-1 times of N (tickets). So limits belong to the balancer, and keys into a file."}
	counts := either(r, []int{1, 2}, []int{1, 2, 4})
	var m model
	for _, n := range counts {
		seen, err := r.serve(n, either(r, 8000, 20000))
		if err != nil {
			return res, err
		}
		if n == 1 {
			m = model{server: seen.servers[0].Seconds() / float64(seen.requests), balancer: seen.balancer.Seconds() / float64(seen.requests), burst: fleetBurst}
			r.say("a request costs the server %.1f µs of its processor, and the balancer %.1f", 1e6*m.server, 1e6*m.balancer)
		}
		r.say("of the busiest processor's time, %.0f requests a second; on paper %.0f", seen.capacity(), m.capacity(n))
		if n > 1 {
			got := seen.capacity() / m.capacity(n)
			res.claims(got > 0.5 && got < 2, "%d servers: the capacity is %.2f times the model's, which knows one server only", n, got)
			res.claims(seen.evenness() > 0.5, "%d servers: the work is dealt evenly (the least busy has done %.2f of the busiest's)", n, seen.evenness())
		}
		allowed, err := r.allowance(n)
		if err != nil {
			return res, err
		}
		res.add(fmt.Sprintf("served to one client by %d", n), float64(allowed))
		res.claims(allowed >= m.allowed(n) && allowed <= m.allowed(n)+n, "%s: a client gets %d requests, and %d on paper", plural.Of(n, "server", "servers"), allowed, m.allowed(n))
	}
	res.Answer = m.enough()
	alone, err := r.resumes()
	if err != nil {
		return res, err
	}
	keys := filepath.Join(r.dir, "keys")
	if err := os.WriteFile(keys, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		return res, err
	}
	shared, err := r.resumes("-tls-ticket-keys", keys)
	if err != nil {
		return res, err
	}
	res.claims(alone == resumed(2) && shared == 1, "2 servers: %.0f %% of sessions resume with keys of their own, and %.0f %% with the same", 100*alone, 100*shared)
	fmt.Fprintf(r.out, "\n%s", m.table())
	return res, nil
}

// table is the model for fleets that nobody has here.
func (m model) table() string {
	var b strings.Builder
	const drain = 15 * time.Second
	fmt.Fprintf(&b, "machines  balancers  a client's limit  resumed without keys  restarted one by one  by a tenth  the others do\n")
	for _, n := range []int{1, 2, 4, 10, 30, 100} {
		away := max(1, n/10)
		load := "nothing is served"
		if n > 1 {
			load = fmt.Sprintf("%.2f times", headroom(n, away))
		}
		fmt.Fprintf(&b, "%8d  %9d  %10d times  %18.0f %%  %20v  %10v  %s\n", n, m.balancers(n), n, 100*resumed(n), restart(n, 1, drain), restart(n, away, drain), load)
	}
	return b.String()
}

// serve has clients ask n servers through a balancer, and looks at everybody's processor time.
func (r *rig) serve(n, requests int) (seen measured, err error) {
	r.say("%s and a balancer: %d requests", plural.Of(n, "server", "servers"), requests)
	root, err := r.folder("page.txt", 1000)
	if err != nil {
		return seen, err
	}
	var addrs []string
	var pids []int
	for range n {
		s, err := r.start("stage3-epoll", "-root", root, "-workers", "1", "-host", "*", "-max-requests", "0")
		if err != nil {
			return seen, err
		}
		defer s.stop()
		addrs, pids = append(addrs, s.addr), append(pids, s.cmd.Process.Pid)
	}
	b, err := r.balance(addrs...)
	if err != nil {
		return seen, err
	}
	defer b.close()
	pids = append(pids, b.cmd.Process.Pid)
	before, err := used(pids)
	if err != nil {
		return seen, err
	}
	if err := flock(b.addr, requests); err != nil {
		return seen, err
	}
	after, err := used(pids)
	if err != nil {
		return seen, err
	}
	for i := range after {
		after[i] -= before[i]
	}
	return measured{n: n, requests: requests, servers: after[:n], balancer: after[n]}, nil
}

// used is the processor time of processes so far.
func used(pids []int) (times []time.Duration, err error) {
	for _, pid := range pids {
		t, err := proc.CPU(pid)
		if err != nil {
			return nil, err
		}
		times = append(times, t)
	}
	return times, nil
}

// flock has clients send so many requests together, each of which has to be answered.
func flock(addr string, requests int) error {
	var clients sync.WaitGroup
	failed := make([]error, fleetClients)
	for i := range fleetClients {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: answerTime}
			defer client.CloseIdleConnections()
			for range requests / fleetClients {
				status, err := get(client, addr)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("the answer is %d", status)
				}
				failed[i] = errors.Join(failed[i], err)
			}
		})
	}
	clients.Wait()
	return errors.Join(failed...)
}

func get(client *http.Client, addr string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/page.txt", nil)
	if err != nil {
		return 0, err
	}
	return exchange(client, req)
}

// allowance is how many requests of one client n servers serve, each of which counts by itself.
func (r *rig) allowance(n int) (allowed int, err error) {
	root, err := r.folder("page.txt", 1000)
	if err != nil {
		return 0, err
	}
	var addrs []string
	for range n {
		s, err := r.start("stage3-epoll", "-root", root, "-workers", "1", "-host", "*", "-adaptive", "off", "-ban-after", "0",
			"-rate-exempt", "none", "-rate", "1", "-burst", fmt.Sprint(fleetBurst))
		if err != nil {
			return 0, err
		}
		defer s.stop()
		addrs = append(addrs, s.addr)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: answerTime}
	defer client.CloseIdleConnections()
	for i := range 3 * n * fleetBurst { // in turn, as a balancer would
		status, err := get(client, addrs[i%n])
		if err != nil {
			return 0, err
		}
		if status == http.StatusOK {
			allowed++
		}
	}
	return allowed, nil
}

// resumes is the share of sessions that resume after two servers, where clients come to them in
// turn.
func (r *rig) resumes(flags ...string) (share float64, err error) {
	var addrs []string
	for range 2 {
		s, err := r.start("stage3-epoll", append([]string{"-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-workers", "1"}, flags...)...)
		if err != nil {
			return 0, err
		}
		defer s.stop()
		addrs = append(addrs, s.tls)
	}
	yes := 0
	for from := range addrs {
		for to := range addrs {
			cfg := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for _, addr := range []string{addrs[from], addrs[to]} {
				did, err := session(addr, cfg)
				if err != nil {
					return 0, err
				}
				if did {
					yes++
				}
			}
		}
	}
	return float64(yes) / 4, nil
}

// session is a request by TLS, which brings a ticket, and reports whether it was resumed.
func session(addr string, cfg *tls.Config) (bool, error) {
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		return false, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	if _, err := io.WriteString(c, request("/")); err != nil {
		return false, err
	}
	_, err = io.ReadAll(c)
	return c.ConnectionState().DidResume, err
}
