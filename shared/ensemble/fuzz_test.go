package ensemble

// Any course of events, over all machines at once: HTTP, with a site and with targets behind it,
// tunnels, TLS, PROXY headers and relays, driven as a loop drives them.
//
// A course is a list of numbers: the first says the settings, each pair after it has one thing
// happen, and how much of it. Where its first bit is set, the loop does not notice yet. The last
// number says how all of it ends. What must not be done: a course must not depend on the time
// of day, nor on how fast it goes.

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"fourways/shared/clock"
)

// most is how many things happen in a course.
const most = 120

// course is one.
type course struct {
	*world
	settings byte
}

// sizes are how many bytes are sent or taken at once.
var sizes = [...]int{1, 7, 50, 200, 1000, 5000, 20_000, 1 << 20}

func size(n byte) int { return sizes[n%8] }

var waits = [...]clock.Time{clock.Millisecond, 20 * clock.Millisecond, clock.Second / 2, clock.Second, 3 * clock.Second, 6 * clock.Second, 20 * clock.Second, 70 * clock.Second}

// thing is something that may happen.
type thing struct {
	name string
	do   func(c *course, n byte)
}

// things are all of them. Where n says who as well as how much, that is its upper bits.
var things = []thing{
	{"a client comes", func(c *course, n byte) { c.comes(int(n)) }},
	{"a client asks", func(c *course, n byte) { c.client(0).ask(int(n)); c.client(0).send(1 << 20) }},
	{"a client asks", func(c *course, n byte) { c.client(n / 32).ask(int(n)); c.client(n / 32).send(1 << 20) }},
	{"a client asks, and sends some of it", func(c *course, n byte) { c.client(n / 32).ask(int(n)); c.client(n / 32).send(size(n)) }},
	{"a client sends", func(c *course, n byte) { c.client(n / 8).send(size(n)) }},
	{"a client reads", func(c *course, n byte) { c.client(n / 8).take(size(n)) }},
	{"a client's window", func(c *course, n byte) { c.client(n / 8).k.room = max(size(n)-1, 0) }},
	{"a client ends", func(c *course, n byte) { c.client(n / 8).end(n&1 != 0) }},
	{"a client closes", func(c *course, n byte) { c.client(n / 8).leaves(n&1 != 0) }},
	{"a client resets", func(c *course, n byte) { c.client(n / 8).k.breakOff() }},
	{"a target reads", func(c *course, n byte) { c.target(n/8, func(t *target) { t.take(size(n)) }) }},
	{"a target reads all and answers", func(c *course, n byte) {
		c.target(n/32, func(t *target) { t.take(1 << 20); t.answer(int(n)); t.send(1 << 20) })
	}},
	{"a target answers, and sends some of it", func(c *course, n byte) {
		c.target(0, func(t *target) { t.take(1 << 20); t.answer(int(n / 8)); t.send(size(n)) })
	}},
	{"a target sends", func(c *course, n byte) { c.target(n/8, func(t *target) { t.send(size(n)) }) }},
	{"a target sends much", func(c *course, n byte) { c.target(n/8, c.sendsMuch) }},
	{"slow work takes long", func(c *course, n byte) { c.late = n&1 != 0 }},
	{"a target sends unasked", func(c *course, n byte) {
		c.target(n/8, func(t *target) { t.unasked() })
	}},
	{"a target's window", func(c *course, n byte) { c.target(n/8, func(t *target) { t.k.room = max(size(n)-1, 0) }) }},
	{"a target ends", func(c *course, n byte) { c.target(n/8, (*target).end) }},
	{"a target closes", func(c *course, n byte) { c.target(n/8, (*target).leave) }},
	{"a target resets", func(c *course, n byte) { c.target(n/8, func(t *target) { t.k.breakOff() }) }},
	{"connecting", func(c *course, n byte) { c.connects = int(n) % 5 }},
	{"connections to targets are made", func(c *course, n byte) { c.connected(n&1 == 0) }},
	{"time passes", func(c *course, n byte) { c.pass(waits[n%8]) }},
	{"a deadline comes", func(c *course, n byte) { c.toDeadline(n&1 != 0) }},
	{"a turn", func(c *course, n byte) { c.turnOf(uint(n)) }},
	{"slow work", func(c *course, n byte) { c.work(n) }},
	{"files", func(c *course, n byte) { c.files = int(n) % 6 }},
	{"memory", func(c *course, n byte) { c.thread.Memory = []int64{0, 1, 200 << 10, 400 << 10}[n%4] }},
	{"pipes", func(c *course, n byte) { c.lent.most = int(n) % 3 }},
	{"the server", func(c *course, n byte) { c.server(n) }},
	{"a client reads all", func(c *course, n byte) { c.client(n / 8).take(1 << 20) }},
	{"a client of TLS sends rubbish", func(c *course, n byte) { c.client(n / 32).rubbish(n) }},
	{"a tunnel is made", func(c *course, n byte) { c.tunnel(int(n)) }},
	{"all goes well for a while", func(c *course, n byte) { c.well() }},
	{"the disk is waited for", func(c *course, n byte) { c.waitsForDisk(n) }},
}

func (c *course) comes(kind int) {
	if len(c.clients) >= 9 || c.draining {
		return
	}
	if c.connect(kind % kinds); kind/kinds%2 == 0 && len(c.clients) > 0 {
		cl := c.client(0)
		cl.push(len(cl.wire))
	}
}

// client is the nth of them, from the last.
func (c *course) client(n byte) *client { return c.clients[len(c.clients)-1-int(n)%len(c.clients)] }

func (c *client) leaves(polite bool) {
	if polite {
		c.end(true)
	}
	c.ended = true
	c.k.leave()
}

// target does something with the nth of those that are open, from the last.
func (c *course) target(n byte, do func(*target)) {
	var open []*target
	for _, t := range c.targets {
		if !t.k.closed {
			open = append(open, t)
		}
	}
	if len(open) > 0 {
		do(open[len(open)-1-int(n)%len(open)])
	}
}

// sendsMuch has a target send all that it has to say, and in a tunnel more, as long as it is read.
func (c *course) sendsMuch(t *target) {
	if t.tunnel != nil || t.relayed {
		t.speak(1_000_000)
	}
	for told := -1; told != t.told; c.settle() {
		told = t.told
		t.send(1 << 20)
	}
}

// unasked is an answer that nobody has asked for.
func (t *target) unasked() {
	if !t.relayed && t.tunnel == nil && !t.endless && t.told == len(t.says) && t.answered == len(t.seen) && len(t.k.out) == 0 && len(t.seen) > 0 {
		t.k.say([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Answer: 0 0\r\n\r\nno"))
	}
}

// connected is the end of connecting.
func (c *course) connected(well bool) {
	for _, t := range c.targets {
		switch {
		case !t.k.pending:
		case well:
			t.k.pending = false
		default:
			t.k.pending = false
			t.k.refuse()
		}
	}
}

func (c *course) toDeadline(nearly bool) {
	d := c.next() - c.now()
	if nearly {
		d--
	}
	if d > 0 && c.next() != clock.Never {
		c.pass(d)
	}
}

// turnOf is a turn in which only some of what is ready is reported.
func (c *course) turnOf(which uint) { c.turn(func(i int) bool { return which>>(i%8)&1 != 0 }) }

// work does some slow work, or tells the loop of its end too.
func (c *course) work(n byte) {
	if len(c.slow) == 0 {
		return
	}
	i := int(n/2) % len(c.slow)
	if n&1 != 0 {
		c.run(i)
	} else {
		c.finish(i)
	}
}

// server is something that its operator does.
func (c *course) server(n byte) {
	switch n % 8 {
	case 0:
		c.drain()
	case 1:
		if c.drain(); n&16 != 0 {
			c.cut()
		}
	case 2: // of other processes, too
		c.srv.Stats.Stop()
	default:
		if len(c.sites) < 3 {
			c.reload(c.settings)
		}
	}
}

// tunnel is a client that is let through.
func (c *course) tunnel(kind int) {
	c.asks(kind, 5)
	c.target(0, func(t *target) { t.take(1 << 20); t.answer(4); t.send(1 << 20) })
	c.settle()
	c.client(0).take(1 << 20)
	c.settle()
}

// asks is a client that comes and asks for one thing.
func (c *course) asks(kind, what int) {
	c.comes(kind % 4)
	cl := c.client(0)
	cl.ask(what)
	cl.send(1 << 20)
	c.settle()
	if cl.tls != nil {
		cl.take(1 << 20)
		c.settle()
		cl.take(1 << 20)
		c.settle()
	}
}

// waitsForDisk is a client that reads again what was kept for it, of an answer or through a tunnel,
// from a disk that takes long.
func (c *course) waitsForDisk(n byte) {
	if n&1 != 0 {
		c.tunnel(int(n / 8))
	} else {
		c.asks(int(n/8), 0)
	}
	c.target(0, func(t *target) {
		if t.tunnel != nil {
			t.speak(900_000)
		} else {
			t.take(1 << 20)
			t.answer([]int{15, 3, 1, 11}[n/2%4])
		}
		for range 5 {
			t.send(1 << 20)
			c.settle()
		}
	})
	c.late = true
	for range 6 {
		c.files = []int{filesCold, queuesCold, queuesBroken, queuesFull}[n/8%4]
		c.client(0).take(1 << 20)
		c.settle()
	}
}

// well has everybody do what is expected of them, until nothing more is.
func (c *course) well() {
	for moved, before := 0, -1; moved != before; {
		before = moved
		for _, cl := range c.clients {
			cl.k.room = 64 << 10
			cl.send(1 << 20)
			cl.take(1 << 20)
		}
		for _, t := range c.targets {
			if t.k.pending {
				t.k.pending = false
			}
			t.k.room = 64 << 10
			t.take(1 << 20)
			if t.k.closed {
				continue
			}
			if t.tunnel == nil && !t.relayed {
				t.answer(0)
			}
			if t.send(1 << 20); t.endless && t.told == len(t.says) {
				t.leave()
			}
		}
		c.settle()
		moved = c.moved()
	}
}

// moved is how many bytes have gone either way, connections counted in.
func (c *course) moved() (n int) {
	for _, cl := range c.clients {
		n += cl.told - len(cl.wire) + len(cl.got)
	}
	for _, t := range c.targets {
		n += len(t.taken) + t.told + 1
	}
	return n
}

// play plays a course.
func play(t testing.TB, dir string, b []byte) *course {
	c := &course{}
	if len(b) > 0 {
		c.settings, b = b[0], b[1:]
	}
	open := descriptors()
	c.world = newWorld(t, dir, c.settings)
	giveBack := sync.OnceFunc(c.giveBack)
	defer giveBack()
	defer c.tell()
	c.connect(int(c.settings>>2) % kinds)
	c.settle()
	for i := 0; i < most && len(b) >= 2; i++ {
		thing := things[int(b[0]&0x7f)%len(things)]
		c.trace = append(c.trace, fmt.Sprintf("%d: %s, %d, noticed: %v", i, thing.name, b[1], b[0] < 0x80))
		thing.do(c, b[1])
		if b[0] < 0x80 {
			c.settle()
		}
		b = b[2:]
	}
	c.check()
	how := byte(0)
	if len(b) > 0 {
		how = b[0]
	}
	c.ends(how)
	c.check()
	c.nothingLeft()
	giveBack()
	if now := descriptors(); now != open {
		c.fail("%d descriptors are open, and were %d before", now, open)
	}
	return c
}

// FuzzCourse plays any course. Whatever happens, nothing panics or goes round and round, each
// client gets its own answers and no part of one that looks whole, targets get what was said and
// nothing twice that must not be, and in the end nothing is left.
func FuzzCourse(f *testing.F) {
	dir := f.TempDir()
	folder(f, dir)
	for _, known := range known {
		f.Add(known.course)
	}
	for _, b := range courses() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { play(t, dir, b) })
}

// event is one thing of a course.
type event struct {
	name   string
	n      byte
	unseen bool // the loop does not notice yet
}

// scripted is a course of these events.
func scripted(settings, how byte, events ...event) []byte {
	b := []byte{settings}
	for _, e := range events {
		i := byte(slices.IndexFunc(things, func(t thing) bool { return t.name == e.name }))
		if e.unseen {
			i |= 0x80
		}
		b = append(b, i, e.n)
	}
	return append(b, how)
}

// known are courses that have ended badly once, or something like it has.
var known = []struct {
	name   string
	course []byte
}{
	{"a tunnel's target breaks while its client hangs up, which has said all", scripted(withUnix, 1,
		event{name: "a tunnel is made"},
		event{name: "a client ends"},
		event{name: "a client closes", unseen: true},
		event{name: "a target resets", unseen: true},
		event{name: "a turn", n: 1 << 2},
	)},
	{"a tunnel's target breaks while its client hangs up, which is held up", scripted(0, 1,
		event{name: "a tunnel is made"},
		event{name: "a target ends"},
		event{name: "a target's window"},
		event{name: "a client asks", n: 255},
		event{name: "a client asks", n: 255},
		event{name: "a client closes", n: 1, unseen: true},
		event{name: "a target resets", unseen: true},
		event{name: "a turn", n: 1 << 2},
	)},
	{"a kept connection closes under a request whose body has ended without a byte", scripted(0, 0,
		event{name: "a client asks"},
		event{name: "a client asks"}, // there are two targets
		event{name: "all goes well for a while"},
		event{name: "a client asks", n: deletesEmpty},
		event{name: "a target closes", n: 8}, // the first
	)},
	{"a client leaves while the disk is slow, and then its answer breaks off", scripted(withFiles, 1,
		event{name: "a client asks"},
		event{name: "a target answers, and sends some of it", n: 15*8 + 7},
		event{name: "a target sends", n: 7},
		event{name: "a target sends", n: 7},
		event{name: "a target sends", n: 7},
		event{name: "files", n: filesCold},
		event{name: "slow work takes long", n: 1},
		event{name: "a client reads all"},
		event{name: "a client reads all"},
		event{name: "a client reads all"},
		event{name: "a client reads all"},
		event{name: "a client resets"},
		event{name: "time passes", n: 4},
		event{name: "a target resets"},
		event{name: "slow work takes long"},
	)},
	{"a client that reads nothing sends what is no request", scripted(0, 0,
		event{name: "a client asks"},
		event{name: "a target reads all and answers", n: 2},
		event{name: "a client asks", n: 14},
		event{name: "time passes", n: 3},
		event{name: "time passes", n: 4},
	)},
	{"a client by TLS that reads nothing ends without a word", byTLS(event{name: "a client ends"})},
	{"a client by TLS that reads nothing sends rubbish", byTLS(event{name: "a client of TLS sends rubbish", n: 23}, event{name: "time passes", n: 4})},
}

// byTLS is a course with a client by TLS that does not read its answer.
func byTLS(then ...event) []byte {
	return scripted(plainTLS<<2, 1, append([]event{
		{name: "a client reads all"},
		{name: "a client reads all"},
		{name: "a client asks"},
		{name: "a target reads all and answers", n: 2},
	}, then...)...)
}

// tell tells what has led to a panic.
func (c *course) tell() {
	if v := recover(); v != nil {
		for _, line := range c.trace {
			c.t.Log(line)
		}
		panic(v)
	}
}

// courses are some to begin with: short ones, of which the fuzzer makes longer ones.
func courses() (all [][]byte) {
	for seed := range byte(60) {
		b := make([]byte, 2+2*(4+seed/5))
		rand.NewChaCha8([32]byte{seed, 9}).Read(b)
		for i := 1; i < len(b) && seed%3 > 0; i += 4 {
			b[i] &= 0x7f
		}
		all = append(all, b)
	}
	return all
}
