package ensemble

// How a course ends, and that nothing is left after it. Where everybody does in the end what is
// expected of them, all that was asked is answered and all that was said arrives. What must not be
// done: nothing may be helped along that the server would have to wait for.

import "fourways/shared/clock"

// ends ends it: with what all have begun, by waiting, by hang-ups, or by the server's end.
func (c *course) ends(how byte) {
	if how < 0x80 {
		c.late = false
	}
	switch how % 5 {
	case 0:
		c.late = false
		c.thread.Memory, c.connects, c.files, c.lent.most = 0, connectsNow, filesWarm, 2
		c.finishes()
		for _, cl := range c.clients {
			cl.end(true)
		}
	case 1: // nobody does anything
	case 2:
		for _, k := range c.kernel {
			k.pending = false
			k.breakOff()
		}
	case 3:
		c.drain()
	case 4:
		c.drain()
		c.cut()
		c.late = false
		c.settle()
		if c.open > 0 {
			c.fail("left after the end: %s", c.state())
		}
	}
	c.trace = append(c.trace, "the end begins: "+c.state())
	c.settle()
	for n := 0; c.open > 0; n++ {
		if c.late && (n == 20 || c.next() == clock.Never) { // the work ends at last
			c.late = false
			c.settle()
			continue
		}
		d := c.next()
		if d == clock.Never && c.draining { // what has no deadline then has that of the server
			c.cut()
			c.settle()
			if d = c.now(); c.open == 0 {
				break
			}
		}
		if d == clock.Never || n > 10_000 {
			c.fail("it stays for ever: %s", c.state())
		}
		c.pass(max(d-c.now(), 1))
		c.settle()
	}
	c.late = false
	c.settle() // what is given back by slow work
}

// finishes has everybody do what is expected of them, and demands that all that was asked is
// answered, and all that was sent arrives.
func (c *course) finishes() {
	c.well()
	for range 6 { // what is looked at again in a while
		c.pass(clock.Second)
		c.well()
	}
	for _, cl := range c.clients {
		answers, tunnel := cl.check()
		if cl.k.closed || cl.k.shut || cl.k.over() || cl.relays() {
			continue
		}
		if answers < len(cl.asked) && !tunnel && (cl.tls == nil || cl.tls.done) {
			c.fail("client %d has got %d answers to %d requests: %s", cl.number, answers, len(cl.asked), c.state())
		}
	}
	c.checkTargets()
	for _, t := range c.targets {
		c.arrives(t)
	}
}

// arrives demands that what was sent through a tunnel or a relay has come, both ways.
func (c *course) arrives(t *target) {
	cl := t.whose
	if t.tunnel != nil {
		cl = c.asker(t.tunnel)
	}
	if cl == nil || t.k.closed || cl.k.closed || t.k.dead || cl.k.dead || t.k.gone || cl.k.gone {
		return
	}
	if got := c.arrived[cl]; got != t.spoke && !t.k.eof {
		c.fail("client %d has got %d bytes of %d: %s", cl.number, got, t.spoke, c.state())
	}
}
