//go:build linux

package main

// Who is lost when processes die, and when they are replaced.
//
// Clients ask without a pause, each request on a connection of its own, and every request has one
// of three endings. What must not be done: no ending may be passed over, or nothing is ever lost.

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"fourways/tests/bench/proc"
)

var kill = lab{
	name:    "kill9",
	seconds: 10,
	asks:    "Eight clients ask without a pause, each on a new connection. A worker is killed with -9, ten times. How many requests are lost?",
	unit:    "requests",
	run:     runKill,
}

var reload = lab{
	name:    "reload",
	seconds: 15,
	asks:    "The same clients. The server is reloaded ten times, and then replaced by a new program. How many requests are lost?",
	unit:    "requests",
	run:     runReload,
}

// askers is how many clients ask at the same time.
const askers = 8

// pressed is a server that clients keep asking, and what became of their requests.
type pressed struct {
	ends    [lost + 1]atomic.Int64 // by ending
	stop    chan struct{}
	once    sync.Once // closes stop
	clients sync.WaitGroup
}

// press has the clients begin.
func press(addr string) *pressed {
	p := &pressed{stop: make(chan struct{})}
	for range askers {
		p.clients.Go(func() {
			for {
				select {
				case <-p.stop:
					return
				default:
				}
				end, _ := fetch(addr, "/page.txt")
				p.ends[end].Add(1)
			}
		})
	}
	return p
}

// end has them stop. It may be called again.
func (p *pressed) end() {
	p.once.Do(func() { close(p.stop) })
	p.clients.Wait()
}

// went is how many requests have had that ending.
func (p *pressed) went(e ending) int64 { return p.ends[e].Load() }

// more waits until so many further requests were answered.
func (p *pressed) more(r *rig, n int64) error {
	want := p.went(answered) + n
	return r.until(fmt.Sprintf("%d more requests are answered", n), func() bool { return p.went(answered) >= want })
}

func runKill(r *rig) (res result, err error) {
	kills := either(r, 3, 10)
	res = result{Unit: "requests", Learnt: "The sockets are the master's, and what waits in them waits for whoever accepts next. So a death costs what that one\n" +
		"process had in its hands, and nobody is refused. Where there is one process, its end is the end."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	s, err := r.start("stage4-prefork", "-root", root, "-workers", "4")
	if err != nil {
		return res, err
	}
	four := press(s.addr)
	defer four.end()
	for i := range kills {
		r.say("stage 4: worker killed, %d of %d", i+1, kills)
		if err := r.killWorker(s); err != nil {
			return res, err
		}
		if err := four.more(r, 200); err != nil {
			return res, err
		}
	}
	four.end()

	one, err := r.start("stage3-epoll", "-root", root)
	if err != nil {
		return res, err
	}
	r.say("stage 3: killed, once")
	three := press(one.addr)
	defer three.end()
	if err := three.more(r, 200); err != nil {
		return res, err
	}
	one.cmd.Process.Kill()
	<-one.done
	if err := r.until("clients are refused", func() bool { return three.went(refused) >= 100 }); err != nil {
		return res, err
	}
	three.end()

	res.add(fmt.Sprintf("stage 4: lost in %d kills", kills), float64(four.went(lost)))
	res.add("stage 4: refused", float64(four.went(refused)))
	res.add("stage 3: lost in its kill", float64(three.went(lost)))
	res.add("stage 3: refused since", float64(three.went(refused)))
	res.Answer = float64(four.went(lost))
	res.claims(four.went(refused) == 0, "stage 4 refuses nobody: %d were answered meanwhile", four.went(answered))
	res.claims(four.went(lost) <= int64(kills*askers), "a kill costs at most what the worker had in its hands: one request of each client")
	res.claims(three.went(refused) > 0, "stage 3 is gone, and whoever comes is refused")
	return res, nil
}

// killWorker kills the worker that has lived longest, and waits until another one is there in its
// place. So they take turns: one that died again and again would be started later each time.
func (r *rig) killWorker(s *server) error {
	master := s.cmd.Process.Pid
	all, err := proc.Tree(master)
	if err != nil {
		return err
	}
	if len(all) == 1 {
		return fmt.Errorf("process %d has no workers", master)
	}
	oldest := slices.Min(all[1:])
	if err := syscall.Kill(oldest, syscall.SIGKILL); err != nil {
		return err
	}
	return r.replaced(master, len(all), []int{oldest})
}

func runReload(r *rig) (res result, err error) {
	times := either(r, 3, 10)
	res = result{Unit: "requests", Learnt: "A new worker serves before an old one is told to go, and an old one takes whoever waits before it closes its copy\n" +
		"of the socket. So nobody finds a closed door: not in a reload, and not when the program itself is replaced."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	s, err := r.start("stage4-prefork", "-root", root, "-workers", "2")
	if err != nil {
		return res, err
	}
	p := press(s.addr)
	defer p.end()
	for i := range times {
		r.say("reload %d of %d", i+1, times)
		if err := r.reloaded(s); err != nil {
			return res, err
		}
	}
	r.say("hand-over to a new program")
	s.cmd.Process.Signal(syscall.SIGUSR2)
	if err := r.until("the old program has ended", func() bool {
		select {
		case <-s.done:
			return true
		default:
			return false
		}
	}); err != nil {
		return res, err
	}
	if err := p.more(r, 200); err != nil {
		return res, err
	}
	p.end()
	res.add("answered", float64(p.went(answered)))
	res.add("lost", float64(p.went(lost)))
	res.add("refused", float64(p.went(refused)))
	res.Answer = float64(p.went(lost) + p.went(refused))
	res.claims(res.Answer == 0, "of %d requests none is lost and none refused", p.went(answered))
	return res, nil
}

// reloaded has the master reload, and waits until none of its workers is one of those from before.
func (r *rig) reloaded(s *server) error {
	master := s.cmd.Process.Pid
	all, err := proc.Tree(master)
	if err != nil {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	old := slices.DeleteFunc(slices.Clone(all), func(pid int) bool { return pid == master })
	return r.replaced(master, len(all), old)
}

// replaced waits until a master and its workers are as many as before, and none of them is old.
func (r *rig) replaced(master, many int, old []int) error {
	return r.until("the workers are replaced", func() bool {
		now, err := proc.Tree(master)
		return err == nil && len(now) >= many && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(old, pid) })
	})
}
