package secure

// What goes through the records of an open connection, in and out.
//
// What must not be done: no more may be sealed ahead than leaves at once, and records that bring no
// data may not go on for ever.

import (
	"io"

	"fourways/shared/chain"
	"fourways/shared/fault"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// feed hands on what has come, record by record, as much as the session has room for. It reports
// whether the session has got anything.
func (c *Conn) feed() (fed bool) {
	for c.more || c.pipe.whole() {
		into := c.session.Recv()
		if len(into) == 0 {
			break
		}
		before := c.pipe.records
		n, err := c.tls.Read(into)
		c.idle += int32(c.pipe.records - before)
		if n > 0 {
			c.session.Received(n)
			fed = true
			c.idle -= int32(min(c.pipe.records-before, 1)) // its data may be of a record that was counted before
		}
		c.more = n == len(into)
		switch {
		case err == nil || err == error(errLater):
		case err == io.EOF:
			c.hear()
			return true
		default:
			c.fail(ofRecord(err), err.Error())
			return true
		}
		if c.idle > maxIdle {
			c.fail(fault.TLSFlood, "records without data over and over")
			return true
		}
	}
	c.layer.Held = len(c.pipe.waiting())
	if !fed && c.pipe.eof && !c.heard {
		c.thread.Stats.Add(stats.Truncated, 1)
		c.hear()
		return true
	}
	return fed
}

// hear tells the session that its client sends nothing more: it has said so (close_notify), or it
// has gone without a word. Either way what it has asked for is still answered.
func (c *Conn) hear() {
	if !c.heard {
		c.heard = true
		c.session.EOF()
	}
}

// seal makes records of what the session wants to send next. It reports false where that has
// first to be read from a disk, or cannot be.
func (c *Conn) seal() bool {
	q := c.session.Out()
	p, err := c.gather(q)
	switch {
	case err == sysnet.ErrCold:
		c.session.Fetch(sysnet.Front(q).Warm)
		return false
	case err != nil:
		c.session.Break(err)
		return false
	}
	if _, err := c.tls.Write(p); err != nil {
		c.fail(ofRecord(err), err.Error())
		return false
	}
	c.sealed = int64(len(p))
	return true
}

// gather is what is to be sealed next: the bytes at the front of the chain where they lie, if they
// are one piece, or a copy of several, and of the beginning of the file that follows.
func (c *Conn) gather(q *chain.Chain) ([]byte, error) {
	var room [16][]byte
	segs, file := q.Bytes(room[:0])
	most := sealAhead
	if c.thread.Scarce() {
		most = sealScarce
	}
	if len(segs) == 1 && !file && len(segs[0]) <= most {
		return segs[0], nil
	}
	if c.local.scratch == nil {
		c.local.scratch = make([]byte, sealAhead)
	}
	p := c.local.scratch[:most]
	n := 0
	for _, s := range segs {
		n += copy(p[n:], s)
	}
	if !file || n == len(p) {
		return p[:n], nil
	}
	got, err := sysnet.ReadFront(q, p[n:])
	if err != nil && n > 0 {
		return p[:n], nil // the next time it stands at the front
	}
	return p[:n+got], err
}

// notify says that we send nothing more (RFC 8446 6.1). What the library writes after that is
// dropped.
func (c *Conn) notify() {
	if !c.said {
		c.said = true
		c.tls.CloseWrite()
		c.pipe.mute = true
	}
}
