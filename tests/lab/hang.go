//go:build linux

package main

// A worker that hangs, and one that is stopped: how long until somebody notices, and who is lost.
//
// The workers are broken by the server's own means (-inject-faults) and by SIGSTOP. What must not
// be done: nobody may come as long as it is not certain that the worker hangs, or it is luck who
// is lost.

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"fourways/tests/bench/proc"
)

var hang = lab{
	name:    "hang",
	seconds: 12,
	asks: "A request sends one of four workers into an endless loop. The watchdog is set to 3 seconds, and forty clients come meanwhile. " +
		"How many of the forty have no answer?",
	unit: "clients",
	run:  runHang,
}

// comers is how many clients come while a worker hangs.
const comers = 40

func runHang(r *rig) (res result, err error) {
	watchdog := either(r, 2, 3)
	workers := either(r, 2, 4)
	res = result{Unit: "s", Apart: true, Learnt: "That a process is there tells nothing. A heartbeat that only the loop itself can make tells that it still turns, and another\n" +
		"process judges it: one that hangs ends itself when it is asked, and shows where; one that is stopped has to be killed."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	s, err := r.start("stage4-prefork", "-root", root, "-workers", fmt.Sprint(workers), "-watchdog", fmt.Sprint(watchdog),
		"-inject-faults", "routes", "-adaptive", "off")
	if err != nil {
		return res, err
	}
	first, err := proc.Tree(s.cmd.Process.Pid)
	if err != nil {
		return res, err
	}
	begun, over := time.Now(), make(chan time.Time, 1)
	go func() {
		fetchWithin(s.addr, "/fault/hang", time.Minute)
		over <- time.Now()
	}()
	r.say("a worker's loop hangs, and %d clients come", comers)
	if err := r.silentWorker(s, float64(watchdog)/2); err != nil { // one that is well is heard of twice as often
		return res, err
	}
	served := come(s.addr)
	var loop float64
	select {
	case at := <-over:
		loop = at.Sub(begun).Seconds()
	case <-time.After(time.Minute):
		return res, errors.New("nobody has noticed that a worker hangs")
	}
	left, err := r.survivors(first)
	if err != nil {
		return res, err
	}
	r.say("a worker is stopped by SIGSTOP")
	// One of the first: the one that was started last may have to make its first turn, and has more
	// time for that than the watchdog's.
	stopped, servedToo, err := r.stopWorker(s, left[len(left)-1], len(first))
	if err != nil {
		return res, err
	}
	res.add("watchdog", float64(watchdog))
	res.add("loop hangs: its client knows after", loop)
	res.add("process stopped: replaced after", stopped)
	res.Answer = float64(comers - served)
	least := 0.75 * float64(watchdog) // it was last heard of when it had nothing to do, a quarter earlier at the most
	res.claims(loop >= least, "the loop that hangs is not blamed before it has been silent for %d s", watchdog)
	res.claims(served == comers, "all the %d who came meanwhile are served, by the other workers", comers)
	res.claims(stopped >= least, "nor is the process that was stopped, which cannot end itself and is killed")
	res.claims(servedToo == comers, "all who came while it was stopped are served as well")
	return res, nil
}

// come has clients come all at once and returns how many are served.
func come(addr string) (served int) {
	ends := make([]ending, comers)
	var all sync.WaitGroup
	for i := range ends {
		all.Go(func() { ends[i], _ = fetch(addr, "/page.txt") })
	}
	all.Wait()
	for _, end := range ends {
		if end == answered {
			served++
		}
	}
	return served
}

// beating is what /health says of a worker.
type beating struct {
	Age float64 `json:"heartbeat_age"` // seconds
}

// beats is all workers' heartbeats.
func beats(addr string) ([]beating, error) {
	client := http.Client{Timeout: answerTime, Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Get("http://" + addr + "/health")
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	var health struct {
		Workers []beating `json:"workers"`
	}
	return health.Workers, json.NewDecoder(a.Body).Decode(&health)
}

// silentWorker waits until a worker has been silent for some seconds.
func (r *rig) silentWorker(s *server, long float64) error {
	return r.until("a worker is silent", func() bool {
		all, err := beats(s.addr)
		return err == nil && slices.ContainsFunc(all, func(b beating) bool { return b.Age >= long })
	})
}

// survivors waits until one of a master and its workers has been replaced, and returns those that
// are still there, the master first. Who is missing is known for sure; a worker that was silent may
// only have waited for a processor.
func (r *rig) survivors(first []int) (left []int, err error) {
	err = r.until("the worker that hung is replaced", func() bool {
		now, err := proc.Tree(first[0])
		left = slices.DeleteFunc(slices.Clone(first), func(pid int) bool { return !slices.Contains(now, pid) })
		return err == nil && len(left) < len(first) && len(now) >= len(first)
	})
	if err == nil && len(left) < 2 {
		err = fmt.Errorf("process %d has none of its first workers", first[0])
	}
	return left, err
}

// stopWorker stops a worker, has clients come, and returns after how many seconds another is in its
// place, and how many of the clients were served.
func (r *rig) stopWorker(s *server, victim, many int) (seconds float64, served int, err error) {
	begun := time.Now()
	if err := syscall.Kill(victim, syscall.SIGSTOP); err != nil {
		return 0, 0, os.NewSyscallError("kill", err)
	}
	if err := r.until("the worker stands still", func() bool { return stands(victim) }); err != nil {
		return 0, 0, err
	}
	served = come(s.addr)
	err = r.replaced(s.cmd.Process.Pid, many, []int{victim})
	return time.Since(begun).Seconds(), served, err
}

// stands reports whether all threads of a process are stopped: until they are, one of them may
// still be woken for a client.
func stands(pid int) bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	return err == nil && len(tasks) > 0 && !slices.ContainsFunc(tasks, func(task string) bool {
		text, err := os.ReadFile(task)
		return err == nil && !strings.Contains(string(text), ") T ") // a thread that has ended does not matter
	})
}
