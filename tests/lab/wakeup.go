//go:build linux

package main

// What waking somebody costs, in reads: one at a time, in a burst, and when the sleeper is late.
//
// A pipe carries messages from one thread to another that sleeps in poll(2), as in stage 2. What
// must not be done: a message must not be so long that a write of it can be cut (pipe(7)).

import (
	"fmt"

	"golang.org/x/sys/unix"
)

var wakeup = lab{
	name:    "wakeup",
	seconds: 1,
	asks: "10,000 messages go through a pipe to a thread that sleeps in poll, and has room for 64 of them. " +
		"Sent one at a time they take 10,000 reads. How many if the thread is busy elsewhere until the last one is sent?",
	unit: "reads",
	run:  runWakeup,
}

const (
	messages   = 10_000
	messageLen = 48
	inboxRoom  = 64      // messages that one read takes
	pipeRoom   = 1 << 19 // enough for all of them
)

func runWakeup(r *rig) (res result, err error) {
	res = result{Unit: "reads", Learnt: "A sleeper has to be woken for each message that finds it asleep. One that is behind takes many in one read, so the later\n" +
		"a loop is, the less each piece costs it. That is why a busy server looks so much better for each request than an idle one."}
	single, err := r.handOver("one at a time", true, false)
	if err != nil {
		return res, err
	}
	burst, err := r.handOver("in one burst", false, false)
	if err != nil {
		return res, err
	}
	late, err := r.handOver("in one burst, to a thread that is late", false, true)
	if err != nil {
		return res, err
	}
	res.add("one at a time", float64(len(single)))
	res.add("in one burst", float64(len(burst)))
	res.add("in one burst, read late", float64(len(late)))
	res.Answer = float64(len(late))
	for _, part := range []struct {
		name     string
		from, to int
	}{{"1", 1, 1}, {"2 to 8", 2, 8}, {"9 to 63", 9, inboxRoom - 1}, {"64", inboxRoom, inboxRoom}} {
		n := 0
		for _, size := range burst {
			if size >= part.from && size <= part.to {
				n++
			}
		}
		res.add("of the burst's: with "+part.name, float64(n))
	}
	least := (messages + inboxRoom - 1) / inboxRoom
	res.claims(len(single) == messages, "one at a time: a read for each of %d messages", messages)
	res.claims(len(late) == least, "all at once: %d reads, the fewest that there can be with room for %d", least, inboxRoom)
	res.claims(len(burst) >= least && len(burst) <= messages, "a burst is in between: how far the reader is behind decides")
	return res, nil
}

// handOver sends all messages and returns how many of them each read has brought. One is awaited
// before the next is sent, or all are sent first, or both threads go as fast as they can.
func (r *rig) handOver(how string, awaited, late bool) (sizes []int, err error) {
	r.say("%d messages, %s", messages, how)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if _, err := unix.FcntlInt(uintptr(pipe[1]), unix.F_SETPIPE_SZ, pipeRoom); err != nil {
		return nil, fmt.Errorf("a pipe of %d bytes: %w", pipeRoom, err)
	}
	begin, came, done := make(chan struct{}), make(chan struct{}, messages), make(chan error, 1)
	go func() {
		if late {
			<-begin
		}
		var err error
		sizes, err = sleeper(pipe[0], came)
		done <- err
	}()
	for range messages {
		if _, err := unix.Write(pipe[1], make([]byte, messageLen)); err != nil {
			return nil, err
		}
		if awaited {
			<-came
		}
	}
	close(begin)
	return sizes, <-done
}

// sleeper reads until it has all messages, and says after each read how many it has brought.
func sleeper(fd int, came chan<- struct{}) (sizes []int, err error) {
	inbox := make([]byte, inboxRoom*messageLen)
	for got := 0; got < messages; {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return sizes, err
		}
		n, err := unix.Read(fd, inbox)
		if err != nil {
			return sizes, err
		}
		sizes = append(sizes, n/messageLen)
		got += n / messageLen
		for range n / messageLen {
			came <- struct{}{}
		}
	}
	return sizes, nil
}
