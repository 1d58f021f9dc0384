package trace

// The traces that make system calls. Each opens what it needs, and closes it; nothing here waits: a
// wait that would last is shown by the same call with a timeout of 0, which finds nothing.

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// All are the traces by their names.
var All = map[string]func() (Trace, error){
	"poll-loop":      pollLoop,
	"level-and-edge": levelAndEdge,
	"lost-wake-up":   lostWakeUp,
	"ghost":          ghost,
	"split":          split,
	"two-readers":    twoReaders,
	"gcra":           gcra,
	"whose-socket":   whoseSocket,
	"heartbeat":      heartbeat,
}

// pipe is a pipe of one page that never waits.
type pipe struct{ r, w int }

func (r *recorder) pipe() pipe {
	var p [2]int
	r.must(0, unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	r.must(unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 4096))
	return pipe{p[0], p[1]}
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// held is how many bytes are in it.
func (p pipe) held() int {
	n, err := unix.IoctlGetInt(p.r, unix.TIOCINQ)
	if err != nil {
		return -1
	}
	return n
}

func (r *recorder) write(fd int, b string) int { return r.must(unix.Write(fd, []byte(b))) }

func (r *recorder) read(fd, most int) string {
	b := make([]byte, most)
	return string(b[:max(0, r.must(unix.Read(fd, b)))])
}

// wait is epoll_wait with a timeout of 0.
func (r *recorder) wait(ep int) int {
	var events [4]unix.EpollEvent
	return r.must(unix.EpollWait(ep, events[:], 0))
}

func (r *recorder) epoll(fd int, events uint32) int {
	ep := r.must(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	r.must(0, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}))
	return ep
}

// levelAndEdge watches one pipe in both ways at once.
func levelAndEdge() (Trace, error) {
	r := &recorder{trace: Trace{Title: "Level and edge: the same bytes, watched in two ways"}}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return r.trace, err
	}
	in := pipe{ends[0], ends[1]}
	defer in.close()
	level, edge := r.epoll(in.r, unix.EPOLLIN), r.epoll(in.r, unix.EPOLLIN|unix.EPOLLET)
	defer unix.Close(level)
	defer unix.Close(edge)
	stream, said, had := "", "", 0 // what lies there, what the calls say, and what the program has
	r.look = func() []Place {
		return []Place{
			bytesOf("kernel", "in the socket", stream), wordsOf("kernel", "epoll_wait says", said),
			wordsOf("program", "has read", fmt.Sprintf("%d bytes", had)),
		}
	}
	ask := func() string {
		l, e := r.wait(level), r.wait(edge)
		said = fmt.Sprintf("level: %d, edge: %d", l, e)
		return said
	}
	take := func(n int) {
		b := r.read(in.r, n)
		had, stream = had+len(b), stream[len(b):]
	}
	ask()
	r.step("Nothing has come. Both lists are silent, and a loop sleeps on either.", "epoll_wait → %s", said)
	r.write(in.w, "FOUR")
	stream = "FOUR"
	ask()
	r.step("Four bytes come. Both report the socket.", "epoll_wait → %s", said)
	take(2)
	ask()
	r.step("You read two of them. Two are left. Level-triggered says so again. Edge-triggered is silent: nothing has changed since it told you.",
		"read(fd, 2) = 2; epoll_wait → %s", said)
	ask()
	r.step("So it stays. Two bytes lie there, and a loop that asked for edges would sleep beside them for ever.", "epoll_wait → %s", said)
	r.write(in.w, "!")
	stream += "!"
	ask()
	r.step("One more byte comes: that is a change. Both report the socket, and for the first time the edge tells of the two old bytes, too.", "epoll_wait → %s", said)
	take(3)
	_, again := unix.Read(in.r, make([]byte, 1))
	if again != unix.EAGAIN {
		return r.trace, fmt.Errorf("a read of nothing: %w", again)
	}
	ask()
	r.step("You read until EAGAIN. Now nothing is left, and both are silent rightly. Whoever asks for edges has to go on until here, each time.",
		"read(fd, 3) = 3; read = EAGAIN; epoll_wait → %s", said)
	return r.trace, r.err
}

// lostWakeUp rings before it writes, and then the other way round.
func lostWakeUp() (Trace, error) {
	r := &recorder{trace: Trace{Title: "A lost wake-up: two lines in the wrong order"}}
	bell := r.must(unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC))
	defer unix.Close(bell)
	ep := r.epoll(bell, unix.EPOLLIN|unix.EPOLLET)
	defer unix.Close(ep)
	var list []string
	loop, taken := "runs", 0
	r.look = func() []Place {
		return []Place{
			{Of: "program", Name: "the list", Words: list}, {Of: "program", Name: "the loop", Words: []string{loop}, Waits: loop == "sleeps"},
			wordsOf("program", "has taken", fmt.Sprint(taken)),
		}
	}
	ring := func() { r.write(bell, "\x01\x00\x00\x00\x00\x00\x00\x00") }
	put := func() { list = append(list, "it is done") }
	sleep := func() int {
		n := r.wait(ep)
		loop = map[bool]string{true: "sleeps", false: "runs"}[n == 0]
		return n
	}
	take := func() { taken, list = taken+len(list), nil }
	sleep()
	r.step("The loop has nothing to do, and sleeps. Another thread is about to hand it a piece of news.", "epoll_wait = 0")
	ring()
	r.step("Wrong: that thread rings first …", "write(eventfd, 1)")
	n := sleep()
	r.step("… and the loop is quick. It wakes up,", "epoll_wait = %d", n)
	take()
	r.step("takes the list, and finds nothing in it.", "")
	put()
	r.step("Only now the news is put on the list.", "")
	n = sleep()
	r.step("The loop sleeps. The news lies there, and the ring for it is over. Nobody rings again: the wake-up is lost.", "epoll_wait = %d", n)
	take()
	loop = "runs"
	r.step("The same again, the right way round. The old news is taken; the loop is about to sleep.", "")
	put()
	r.step("Right: the news is put on the list first …", "")
	ring()
	r.step("… and then comes the ring.", "write(eventfd, 1)")
	n = sleep()
	r.step("However late the loop sleeps, the ring is kept, and it wakes at once.", "epoll_wait = %d", n)
	take()
	r.step("What it was rung for is there.", "")
	n = sleep()
	r.step("It sleeps, and nothing is left. With this order the news is always older than its ring.", "epoll_wait = %d", n)
	return r.trace, r.err
}

// pollScene is one thread, a pipe and two clients. The way to client 1 has room for a page.
type pollScene struct {
	recorder
	notify, ask1, to1, ask2, to2 pipe
	list                         []unix.PollFd // the pipe, client 1, client 2
	asleep                       bool
	owed                         int // bytes, to client 1
}

// pollLoop serves two clients on one thread.
func pollLoop() (Trace, error) {
	s := &pollScene{recorder: recorder{trace: Trace{Title: "One thread, three descriptors: turns of a poll loop"}}}
	for _, p := range []*pipe{&s.notify, &s.ask1, &s.to1, &s.ask2, &s.to2} {
		*p = s.pipe()
		defer p.close()
	}
	for _, p := range []pipe{s.notify, s.ask1, s.ask2} {
		s.list = append(s.list, unix.PollFd{Fd: int32(p.r), Events: unix.POLLIN})
	}
	s.look = s.places
	s.small()
	s.large()
	s.rest()
	return s.trace, s.err
}

func (s *pollScene) places() (list []Place) {
	names := []string{"the pipe", "client 1", "client 2"}
	wants := map[int16]string{unix.POLLIN: "POLLIN", unix.POLLOUT: "POLLOUT"}
	for i, p := range s.list {
		words := []string{"wants " + wants[p.Events]}
		if p.Revents != 0 {
			words = append(words, "ready: "+wants[p.Revents])
		}
		list = append(list, Place{Of: "program", Name: names[i], Words: words, Waits: s.asleep})
	}
	return append(list, wordsOf("program", "owed to client 1", fmt.Sprintf("%d bytes", s.owed)),
		wordsOf("kernel", "in the pipe", fmt.Sprintf("%d bytes", s.notify.held())),
		wordsOf("kernel", "from client 1", fmt.Sprintf("%d bytes", s.ask1.held())),
		wordsOf("kernel", "to client 1", fmt.Sprintf("%d of 4096 bytes", s.to1.held())),
		wordsOf("kernel", "from client 2", fmt.Sprintf("%d bytes", s.ask2.held())))
}

// poll notes a call of poll(2). One that finds nothing would sleep.
func (s *pollScene) poll(says string) {
	n := s.must(unix.Poll(s.list, 0))
	s.asleep = n == 0
	result := fmt.Sprint(n)
	if s.asleep {
		result += ", and sleeps"
	}
	s.step(says, "poll(3 descriptors) = %s", result)
}

// take reads what the i-th of the list has, and notes it.
func (s *pollScene) take(i int, fd int, says, of string) {
	b := s.read(fd, 64)
	s.list[i].Revents = 0
	s.step(says, "read(%s) = %s", of, short(b))
}

func (s *pollScene) small() {
	s.poll("Nobody wants anything. The thread hands the whole list to the kernel, and sleeps in that one call.")
	s.write(s.ask2.w, "GET /small")
	s.poll("Client 2 asks. The kernel has looked at all three, and marks one.")
	s.take(2, s.ask2.r, "The thread goes through its list and finds the mark. It reads once,", "client 2")
	n := s.write(s.to2.w, "small")
	s.step("writes the answer, which fits, and is done with client 2.", "write(client 2, 5 bytes) = %d", n)
}

func (s *pollScene) large() {
	s.write(s.ask1.w, "GET /large")
	s.poll("Client 1 asks for something larger.")
	s.owed = 6000
	s.take(1, s.ask1.r, "It is read: 6000 bytes are owed.", "client 1")
	n := s.write(s.to1.w, strings.Repeat("x", s.owed))
	s.owed -= n
	s.step("The way to client 1 takes no more than it has room for. The thread does not wait for the rest: it writes down where it is,",
		"write(client 1, 6000 bytes) = %d", n)
	s.list[1] = unix.PollFd{Fd: int32(s.to1.w), Events: unix.POLLOUT}
	s.poll("asks to be told when there is room, and goes back to the list. It sleeps, and it is free for everybody else.")
}

func (s *pollScene) rest() {
	s.write(s.notify.w, "m")
	s.poll("A message comes through the pipe. It is a descriptor like the others, and so it wakes the thread.")
	s.take(0, s.notify.r, "The message is read, and what it tells of is done.", "the pipe")
	s.read(s.to1.r, 4096)
	s.poll("Client 1 has taken what there was. There is room.")
	n := s.write(s.to1.w, strings.Repeat("x", s.owed))
	s.owed -= n
	s.list[1] = unix.PollFd{Fd: int32(s.ask1.r), Events: unix.POLLIN}
	s.step("The rest goes out, and the thread wants to read of client 1 again.", "write(client 1, 1904 bytes) = %d", n)
	s.poll("Three descriptors, one thread, and it has never waited for one of them alone.")
}

// ghost closes a descriptor that has a duplicate.
func ghost() (Trace, error) {
	r := &recorder{trace: Trace{Title: "The ghost: an event about a descriptor that is closed"}}
	p := r.pipe()
	defer func() { p.close() }()
	ep := r.epoll(p.r, unix.EPOLLIN)
	defer unix.Close(ep)
	table, behind, events := []string{"this client"}, "open, watched", 0
	r.look = func() []Place {
		return []Place{
			{Of: "program", Name: "its descriptor", Words: table}, wordsOf("kernel", "what is behind it", behind), wordsOf("kernel", "ready", fmt.Sprint(events)),
		}
	}
	r.step("A client's descriptor is watched. What epoll watches is not the number: it is what is open behind it.", "epoll_ctl(ADD)")
	dup := r.must(unix.Dup(p.r))
	defer func() { unix.Close(dup) }()
	behind = "open twice, watched"
	r.step("Somebody makes a duplicate; a child has one between fork and exec, without anybody's asking.", "dup")
	was := p.r
	unix.Close(p.r)
	table, behind = []string{"closed"}, "open once, watched"
	r.step("The client goes, and its descriptor is closed. The other one still holds what is behind it, so the kernel's note stays.", "close")
	r.write(p.w, "!")
	events = r.wait(ep)
	r.step("A byte comes. epoll_wait reports the number that was closed. If another client has that number by now, the event seems to be about it: a generation tells the two apart.", "epoll_wait = %d", events)
	err := unix.EpollCtl(ep, unix.EPOLL_CTL_DEL, was, nil)
	if err != unix.EBADF {
		return r.trace, fmt.Errorf("taking a closed descriptor off the list: %v", err)
	}
	r.step("It cannot be taken off the list: that would need the number, and the number is nobody's.", "epoll_ctl(DEL) = EBADF")
	unix.Close(dup)
	dup = -1
	events, behind = r.wait(ep), "closed: forgotten"
	r.step("Only when the duplicate is closed does the kernel forget. So take a descriptor off the list before you close it.", "close(the duplicate); epoll_wait = %d", events)
	p.r = -1
	return r.trace, r.err
}

// whoseSocket lets a client wait at a socket of a process's own, and at one that is shared, and
// closes the descriptor as a death does.
func whoseSocket() (Trace, error) {
	r := &recorder{trace: Trace{Title: "Whose socket: a worker dies while a client waits"}}
	own, shared, client := "", "", ""
	r.look = func() []Place {
		return []Place{wordsOf("kernel", "worker's own", own), wordsOf("kernel", "shared", shared), wordsOf("program", "the client", client)}
	}
	listener := func() (fd int, addr unix.Sockaddr) {
		fd = r.must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0))
		r.must(0, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		r.must(0, unix.Listen(fd, 8))
		addr, err := unix.Getsockname(fd)
		r.must(0, err)
		return fd, addr
	}
	connect := func(addr unix.Sockaddr) int {
		fd := r.must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0))
		r.must(0, unix.Connect(fd, addr))
		return fd
	}
	alone, addr := listener()
	own, client = "open, nobody waits", "is about to connect"
	r.step("A worker has a listening socket of its own, as with -reuseport and no master that keeps it.", "listen")
	one := connect(addr)
	defer unix.Close(one)
	own, client = "open, one client waits", "connected"
	r.step("A client connects. The kernel does that alone: the client is in this socket's queue, though nobody has accepted it.", "connect = 0")
	r.must(0, unix.Close(alone))
	_, err := unix.Read(one, make([]byte, 1))
	own, client = "gone, with its queue", "connection reset"
	r.step("The worker dies. Nobody else has this socket open, so it goes, and with it everybody in its queue.", "close; the client's read = %s", nameOf(err))

	master, addr := listener()
	worker := r.must(unix.Dup(master))
	shared, client = "open twice, nobody waits", "another, about to connect"
	r.step("Now the master has made the socket, and keeps it open. The worker has it, too: that is what a duplicate, or a child, is.", "listen; dup")
	two := connect(addr)
	defer unix.Close(two)
	r.must(0, unix.Close(worker))
	shared, client = "open once, one client waits", "connected"
	r.step("A client connects, and the worker dies. What is behind the descriptor is still open, and the client notices nothing.", "connect = 0; close")
	next := r.must(unix.Dup(master))
	r.must(unix.Poll([]unix.PollFd{{Fd: int32(next), Events: unix.POLLIN}}, -1)) // the client's last packet may be under way
	got, _, err := unix.Accept4(next, unix.SOCK_CLOEXEC)
	r.must(got, err)
	shared, client = "open twice, nobody waits", "served"
	r.step("The next worker accepts it.", "dup; accept finds the client")
	for _, fd := range []int{got, next, master} {
		r.must(0, unix.Close(fd))
	}
	return r.trace, r.err
}

// nameOf is an error as the manual writes it.
func nameOf(err error) string {
	if errno, is := err.(unix.Errno); is {
		return unix.ErrnoName(errno)
	}
	return fmt.Sprint(err)
}
