//go:build linux

package main

// What a MiB costs that is read and written, and one that is sent from where it lies.
//
// Calls are those that /proc/PID/io counts, read(2) and write(2) and their kin, sendfile(2) as one
// of each; the gauges of the server, which read as well, are off. What must not be done: no time
// of the clock may be compared.

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fourways/tests/bench/proc"
)

var zerocopy = lab{
	name:    "zerocopy",
	seconds: 10,
	asks: "A file lies in the page cache. Stage 2 reads it piece by piece and writes it, stage 3 has it sent by sendfile(2). " +
		"How much of stage 2's processor time does stage 3 need?",
	unit: "%",
	run:  runZerocopy,
}

// moved is what each MiB of a file costs a server.
type moved struct {
	calls float64
	cpu   time.Duration
}

func runZerocopy(r *rig) (res result, err error) {
	times := either(r, 4, 16)
	const mib = 128
	res = result{Unit: "µs of processor for a MiB", Apart: true, Learnt: "Read and write copy each byte twice, into the program's buffer and out of it, 64 KiB at a time. sendfile gives the socket\n" +
		"the pages where they lie, as many as it takes. What is left is TCP, which costs the same."}
	root, err := r.folderWithHole("film.jpg", mib<<20)
	if err != nil {
		return res, err
	}
	cost := map[string]moved{}
	for _, stage := range []string{"stage2-poll", "stage3-epoll"} {
		s, err := r.start(stage, "-root", root, "-workers", "1", "-adaptive", "off")
		if err != nil {
			return res, err
		}
		r.say("%s: %d MiB", stage, times*mib)
		cost[stage], err = moves(s, times, mib)
		if err != nil {
			return res, err
		}
		s.stop()
		res.add(stage, float64(cost[stage].cpu.Nanoseconds())/1e3)
	}
	poll, epoll := cost["stage2-poll"], cost["stage3-epoll"]
	res.Answer = 100 * float64(epoll.cpu) / float64(poll.cpu)
	res.claims(poll.calls >= 2*epoll.calls, "stage 2 makes %.1f calls for a MiB, and stage 3 %.1f", poll.calls, epoll.calls)
	res.claims(epoll.cpu < poll.cpu, "stage 3 needs less of the processor")
	return res, nil
}

// moves has a file fetched so many times, after once to warm up.
func moves(s *server, times, mib int) (m moved, err error) {
	if err := swallow(s.addr, int64(mib)<<20); err != nil {
		return m, err
	}
	pid := s.cmd.Process.Pid
	calls, err := callsOf(pid)
	if err != nil {
		return m, err
	}
	cpu, err := proc.CPU(pid)
	if err != nil {
		return m, err
	}
	for range times {
		if err := swallow(s.addr, int64(mib)<<20); err != nil {
			return m, err
		}
	}
	calls2, err := callsOf(pid)
	if err != nil {
		return m, err
	}
	cpu2, err := proc.CPU(pid)
	return moved{float64(calls2-calls) / float64(times*mib), (cpu2 - cpu) / time.Duration(times*mib)}, err
}

// callsOf is how many reads and writes a process has made.
func callsOf(pid int) (n int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); name == "syscr" || name == "syscw" {
			calls, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return 0, err
			}
			n += calls
		}
	}
	return n, nil
}

// swallow fetches the file and has the kernel throw it away (tcp(7), MSG_TRUNC).
func swallow(addr string, size int64) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, request("/film.jpg")); err != nil {
		return err
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	var got int64
	for room := make([]byte, 1<<20); ; {
		n, fault := 0, error(nil)
		if err := raw.Read(func(fd uintptr) bool {
			n, _, fault = unix.Recvfrom(int(fd), room, unix.MSG_TRUNC)
			return fault != unix.EAGAIN
		}); err != nil {
			return err
		}
		if fault != nil {
			return fault
		}
		if n == 0 {
			break
		}
		got += int64(n)
	}
	if got < size {
		return fmt.Errorf("%d of %d bytes", got, size)
	}
	return nil
}
