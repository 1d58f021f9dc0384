//go:build linux

package main

// What waiting costs in system calls, over the three ways to wait for many sockets.
//
// The calls of poll's and epoll's loops are counted by strace(1). It does not see what io_uring
// does, so that loop tells itself how often it has called the kernel. What must not be done: what
// Go's scheduler calls must not be counted, since it calls more the longer a run takes.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var calls = lab{
	name:    "calls",
	seconds: 15,
	asks: "64 clients ask at the same time, again and again. epoll's loop makes at least two system calls a request: " +
		"a read and a write. How many does a loop make that hands all it wants to io_uring?",
	unit: "calls a request",
	run:  runCalls,
}

// ofLoops are the system calls that a loop makes for a request that is answered at once.
var ofLoops = map[string]bool{
	"poll": true, "ppoll": true, "epoll_wait": true, "epoll_pwait": true, "epoll_ctl": true, "read": true, "write": true, "sendto": true, "sendmsg": true,
}

func runCalls(r *rig) (res result, err error) {
	requests := either(r, 640, 20_000)
	res = result{Unit: "system calls a request", Learnt: "poll and epoll say who is ready, and each read and each write is a call more. io_uring takes a list of what is wanted, and\n" +
		"one call hands in all answers, asks for what comes next, and brings what has come. A client alone saves little by it."}
	root, err := r.folder("page.txt", 100)
	if err != nil {
		return res, err
	}
	made := map[string]float64{}
	for _, crowd := range []int{1, 64} {
		for _, way := range []struct {
			name, stage, io string
			count           func(*rig, *server, func() error) (float64, error)
		}{
			{"poll", "stage2-poll", "", (*rig).straced},
			{"epoll", "stage3-epoll", "epoll", (*rig).straced},
			{"io_uring", "stage3-epoll", "uring", (*rig).entered},
		} {
			flags := []string{"-root", root, "-workers", "1", "-max-requests", "0", "-adaptive", "off"}
			if way.io != "" {
				flags = append(flags, "-io", way.io)
			}
			s, err := r.start(way.stage, flags...)
			if err != nil {
				if way.io == "uring" && strings.Contains(err.Error(), "io_uring cannot be used") {
					err = fmt.Errorf("%w: %w", errMissing, err)
				}
				return res, err
			}
			label := fmt.Sprintf("%s, %d at a time", way.name, crowd)
			r.say("%s", label)
			n, err := way.count(r, s, func() error { return r.inRounds(s, crowd, requests/crowd) })
			if err != nil {
				return res, err
			}
			made[label] = n / float64(requests/crowd*crowd)
			res.add(label, made[label])
			s.stop()
		}
	}
	poll, epoll, ring := made["poll, 64 at a time"], made["epoll, 64 at a time"], made["io_uring, 64 at a time"]
	res.Answer = ring
	res.claims(poll >= 2 && epoll >= 2, "a read and a write at least: poll's loop makes %.2f calls a request, and epoll's %.2f", poll, epoll)
	res.claims(ring < epoll/2, "io_uring's makes less than half as many: %.2f", ring)
	res.claims(made["io_uring, 1 at a time"] > 2*ring, "it saves by what is done together: for one client alone it makes %.2f", made["io_uring, 1 at a time"])
	return res, nil
}

// inRounds has so many clients ask at the same time, and again when all have their answers. The
// server stands still until the last one has asked, so it finds all of them, however slow we are.
func (r *rig) inRounds(s *server, crowd, rounds int) error {
	pid := s.cmd.Process.Pid
	defer syscall.Kill(pid, syscall.SIGCONT)
	clients := make([]*bufio.ReadWriter, crowd)
	for i := range clients {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		clients[i] = bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	}
	for range rounds {
		if crowd > 1 {
			syscall.Kill(pid, syscall.SIGSTOP)
			if err := r.until("the server stands still", func() bool { return standsStill(pid) }); err != nil {
				return err
			}
		}
		for _, c := range clients {
			c.WriteString(keptRequest)
			if err := c.Flush(); err != nil {
				return err
			}
		}
		syscall.Kill(pid, syscall.SIGCONT)
		for _, c := range clients {
			if err := readAnswer(c.Reader); err != nil {
				return err
			}
		}
	}
	return nil
}

// standsStill reports whether a process is stopped (proc_pid_stat(5): T, or t under strace).
func standsStill(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	state := text[bytes.LastIndexByte(text, ')')+1:]
	return err != nil || bytes.HasPrefix(state, []byte(" T")) || bytes.HasPrefix(state, []byte(" t"))
}

// straced is how many system calls a server's loop makes meanwhile.
func (r *rig) straced(s *server, meanwhile func() error) (float64, error) {
	report := filepath.Join(r.dir, "strace."+strconv.Itoa(s.cmd.Process.Pid))
	trace := exec.Command("strace", "-f", "-c", "-o", report, "-p", strconv.Itoa(s.cmd.Process.Pid))
	said, err := trace.StderrPipe()
	if err == nil {
		err = trace.Start()
	}
	if err != nil {
		return 0, fmt.Errorf("%w: it needs strace: %w", errMissing, err)
	}
	lines, line, attached := bufio.NewScanner(said), "", false
	for !attached && lines.Scan() { // it may warn first; where it may not trace, it says so and ends
		line = lines.Text()
		attached = strings.Contains(line, "attached")
	}
	if attached {
		go io.Copy(io.Discard, said)
		err = meanwhile()
	}
	trace.Process.Signal(os.Interrupt)
	trace.Wait()
	if !attached {
		return 0, fmt.Errorf("%w: %s", errMissing, line)
	}
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(report)
	return float64(tallied(string(text))), err
}

// tallied adds up what the table of strace -c says of the calls of a loop. Its columns are % time,
// seconds, usecs/call, calls, errors where there are any, and the name.
func tallied(table string) (sum int) {
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) >= 5 && ofLoops[f[len(f)-1]] {
			n, _ := strconv.Atoi(f[3])
			sum += n
		}
	}
	return sum
}

// entered is how many calls of io_uring_enter(2) a server's loop makes meanwhile.
func (r *rig) entered(s *server, meanwhile func() error) (float64, error) {
	before, err := enters(s.addr)
	if err != nil {
		return 0, err
	}
	if err := meanwhile(); err != nil {
		return 0, err
	}
	after, err := enters(s.addr)
	if err == nil && after == 0 {
		err = errors.New("the loop does not tell how often it has called the kernel")
	}
	return after - before, err
}

// enters is what the one loop of a server says of that; none before its first turn has ended.
func enters(addr string) (float64, error) {
	resp, err := http.Get("http://" + addr + "/stats")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var told struct {
		Loops []struct{ Enters float64 }
	}
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		return 0, err
	}
	if len(told.Loops) != 1 {
		return 0, fmt.Errorf("%d loops, and not one", len(told.Loops))
	}
	return told.Loops[0].Enters, nil
}
