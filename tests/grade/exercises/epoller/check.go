//go:build linux

package epoller

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"maps"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Poll is the poller that you are to replace.
type Poll struct{ wanted map[int]int }

// Set says what is to be known of a descriptor from now on.
func (p *Poll) Set(fd, want int) {
	if p.wanted == nil {
		p.wanted = map[int]int{}
	}
	if p.wanted[fd] = want; want == 0 {
		delete(p.wanted, fd)
	}
}

// Now tells what is ready, by poll(2) over all of the list.
func (p *Poll) Now(t *testing.T) map[int]int {
	type pollfd struct {
		fd              int32
		events, revents int16
	}
	const in, out, failed = 1, 4, 8 | 16 // POLLIN, POLLOUT, POLLERR and POLLHUP
	var fds []pollfd
	for fd, want := range p.wanted {
		e := pollfd{fd: int32(fd)}
		if want&Read != 0 {
			e.events |= in
		}
		if want&Write != 0 {
			e.events |= out
		}
		fds = append(fds, e)
	}
	ready := map[int]int{}
	if len(fds) == 0 {
		return ready
	}
	var now syscall.Timespec
	if _, _, err := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&now)), 0, 0, 0); err != 0 {
		t.Fatal(err)
	}
	for _, e := range fds {
		if e.revents == 0 {
			continue
		}
		r := 0
		if e.revents&in != 0 {
			r |= Read
		}
		if e.revents&out != 0 {
			r |= Write
		}
		if e.revents&failed != 0 {
			r = p.wanted[int(e.fd)]
		}
		ready[int(e.fd)] = r
	}
	return ready
}

func newPoller(t *testing.T) *Poller {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// pair is two ends of a stream that do not block.
func pair(t *testing.T) (a, b int) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(ends[0]); syscall.Close(ends[1]) })
	return ends[0], ends[1]
}

// told is what a poller tells now.
func told(t *testing.T, p *Poller) map[int]int {
	t.Helper()
	events, err := p.Wait(0)
	if err != nil {
		t.Fatal(err)
	}
	ready := map[int]int{}
	for _, e := range events {
		if ready[e.FD] != 0 {
			t.Errorf("descriptor %d is told of twice", e.FD)
		}
		ready[e.FD] = e.Ready
	}
	return ready
}

func TestItTellsWhatPollTells(t *testing.T) {
	p, poll := newPoller(t), &Poll{}
	a, b := pair(t)
	set := func(fd, want int) {
		if err := p.Set(fd, want); err != nil {
			t.Fatal(err)
		}
		poll.Set(fd, want)
	}
	same := func(what string, some bool) {
		t.Helper()
		want, got := poll.Now(t), told(t, p)
		if !maps.Equal(want, got) || (len(got) > 0) != some {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	set(a, Read)
	same("nothing has come", false)
	syscall.Write(b, []byte("hello"))
	same("something has come", true)
	same("it still lies there", true)
	set(a, Read|Write)
	same("it may be written to as well", true)
	set(a, Write)
	same("only writing is asked for", true)
	syscall.Read(a, make([]byte, 10))
	set(a, Read)
	same("all was read", false)
	set(a, 0)
	syscall.Write(b, []byte("hello"))
	same("nobody wants to know", false)
	set(a, Read)
	same("somebody wants to know again", true)
	syscall.Read(a, make([]byte, 10))
	syscall.Shutdown(b, syscall.SHUT_RDWR)
	same("the other end is closed", true)
}

func TestWhatIsWantedAlreadyCostsNoCall(t *testing.T) {
	p := newPoller(t)
	a, _ := pair(t)
	for range 100 {
		p.Set(a, Read)
	}
	p.Set(a, Read|Write)
	p.Set(a, 0)
	p.Set(a, 0)
	if p.Calls != 3 {
		t.Errorf("%d calls of epoll_ctl, want 3: on, changed, off", p.Calls)
	}
}

func TestItWaits(t *testing.T) {
	p := newPoller(t)
	a, b := pair(t)
	p.Set(a, Read)
	began := time.Now()
	if events, err := p.Wait(50 * time.Millisecond); len(events) > 0 || err != nil || time.Since(began) < 50*time.Millisecond {
		t.Errorf("after %v: %v, %v", time.Since(began), events, err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		syscall.Write(b, []byte("x"))
	}()
	if events, err := p.Wait(30 * time.Second); len(events) != 1 || err != nil || events[0] != (Event{a, Read}) {
		t.Errorf("%v, %v", events, err)
	}
}

func TestOnlyWhatIsReadyIsTold(t *testing.T) {
	p := newPoller(t)
	var others []int
	for range 200 {
		a, b := pair(t)
		p.Set(a, Read)
		others = append(others, b)
	}
	syscall.Write(others[123], []byte("x"))
	if ready := told(t, p); len(ready) != 1 {
		t.Errorf("%d of 200 are told of, want the one", len(ready))
	}
}
