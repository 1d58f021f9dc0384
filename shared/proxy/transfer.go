package proxy

// One request that is passed on, and its answer.
//
// A transfer stands between a session's Exchange, for which it is the Sink of the request's body
// and the Source of the answer's, and a Link, for which it is the User. It owns the link until that
// has ended, is lost, or is dropped. Its end is either the answer's (finish), or one of the sides
// has left (abandon, cut, fail).
//
// The request's head stays in the session's memory, as the exchange goes on, so it can be written
// once more for another target. Of its body nothing is taken before the connection is there; what
// was taken of it can be sent to nobody else.
//
// What must not be done: an answer that has begun and cannot be completed must not look whole
// (Exchange.Cut). After the transfer is given back no call for it may come: whoever gives it back
// has taken it out of the exchange, and has no link any more.

import (
	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/spill"
	"fourways/shared/sysnet"
	"fourways/shared/upstream"
)

// transfer is one request that is passed on.
type transfer struct {
	local *local
	x     *session.Exchange
	rule  *Rule
	link  *upstream.Link  // nil where there is none any more
	to    *upstream.State // the target that was tried last
	left  func()          // abandon, made once
	news  func()          // looksAgain, made once
	queue spill.Queue     // what the client has not taken of the answer's body
	tried upstream.Tried

	begun    clock.Time // when the request came
	times    upstream.Times
	why      fault.Fault // why the last try has failed
	attempts int         // at the same target, for want of a connection
	interims int
	hasBody  bool // the request has a body, and not one that has ended without a byte
	taken    bool // some of it is in the link's chain
	sent     bool // all of the request is
	answered bool // the head of the answer is written
	streams  bool // it has a body
	tunnels  bool // it was 101

	clientEnded, targetEnded bool // of a tunnel: they send nothing more
	whole                    bool // the answer has come to its end
	noted                    bool // for the log
}

var _ upstream.User = (*transfer)(nil)

// begin passes a request on.
func (t *transfer) begin(x *session.Exchange, rule *Rule) {
	t.x, t.rule, t.begun = x, rule, x.Thread().Clock.Now()
	t.queue.Open(t.local.queues, t.news)
	r := x.Request()
	t.hasBody = r.HasBody()
	t.why = fault.Of(fault.UpstreamRefused)
	t.local.up.Requested()
	t.next()
}

// next asks the next target that there is. Once there is none the request has failed.
func (t *transfer) next() {
	for {
		to, full := t.local.up.Choose(t.rule.Group, &t.tried)
		if to == nil {
			if full {
				t.why = fault.Of(fault.UpstreamsFull)
			}
			t.fail()
			return
		}
		t.to, t.attempts = to, 0
		if t.reach(t.kept()) {
			return
		}
		if t.exhausted() || !t.local.up.MayRetry() {
			t.fail()
			return
		}
	}
}

// kept is which connections will do. One that its target has just closed costs a retry, which not
// every request can have: of a body, some will be taken by then.
func (t *transfer) kept() upstream.Kept {
	if t.repeatable() && !t.hasBody {
		return upstream.AnyKept
	}
	return upstream.SilentKept
}

// repeatable reports whether the request may be sent twice (RFC 9110 9.2.2).
func (t *transfer) repeatable() bool {
	switch t.x.Request().Method {
	case http1.GET, http1.HEAD, http1.OPTIONS, http1.PUT, http1.DELETE:
		return !t.taken
	}
	return false
}

// reach sends the request to the target that was chosen, at one of its addresses: all of them lead
// to the same server, so that is no retry. It reports false where none can be connected to.
func (t *transfer) reach(which upstream.Kept) bool {
	for ; t.attempts < max(len(t.to.Addrs()), 1); t.attempts++ {
		if t.try(which) {
			return true
		}
		if t.exhausted() {
			return false
		}
	}
	return false
}

// exhausted reports whether the last try has failed because we are out of descriptors or memory. It
// is no fault of the target, and would be the same with another one.
func (t *transfer) exhausted() bool { return t.why.Reason == fault.OutOfDescriptors }

// try sends the request over a connection to the target. It reports false where there is none.
func (t *transfer) try(which upstream.Kept) bool {
	link, err := t.local.up.Link(t.to, t, which)
	if err != nil {
		t.why = fault.Of(fault.UpstreamRefused)
		if sysnet.IsBusy(err) {
			t.why = fault.Of(fault.OutOfDescriptors)
		}
		return false
	}
	t.link = link
	t.write()
	switch {
	case !t.hasBody || !link.Ready():
		t.x.Wait(t.left)
	default:
		t.takeBody()
		t.x.Resume() // it may wait for an earlier try
	}
	link.Push()
	return true
}

// write writes the head of the request.
func (t *transfer) write() {
	r, c := t.x.Request(), t.link.Client()
	strip := ""
	if t.local.handler.opt.Strip {
		strip = t.rule.Prefix
	}
	l := t.local
	l.scratch = appendTarget(l.scratch[:0], r, strip)
	h := c.Begin(r.MethodName, l.scratch, r.BodyLength())
	o := t.origin()
	RequestFields(h, r, &o)
	h.End()
	if provesToConnection(r) {
		t.link.Once()
	}
	if !t.hasBody {
		c.Finish()
		t.sent = true
	}
}

// origin is what the target is told of where the request comes from.
func (t *transfer) origin() Origin {
	x, r := t.x, t.x.Request()
	o := Origin{Peer: x.Peer(), Unnamed: x.Unnamed(), Trusted: x.Proxied(), TLS: x.Secured(), Host: r.Get(http1.Host)}
	if r.Form == http1.AbsoluteForm {
		o.Host = r.Authority // RFC 9112 3.2.2
	}
	// A client of HTTP/1.0 may name no Host. An empty field would be right (RFC 9112 3.2), but some
	// servers refuse it.
	if t.local.handler.opt.TargetHost || len(o.Host) == 0 {
		o.UpstreamHost = t.to.Authority()
	}
	return o
}

// takeBody has the request's body come here.
func (t *transfer) takeBody() {
	t.x.PassBody(upload{t})
	t.link.Expect(t.x.Request().Expects == http1.Continue100)
}

// Connected goes on with the body, of which nothing was taken before.
func (t *transfer) Connected() {
	if t.hasBody {
		t.takeBody()
		t.x.Resume()
	}
}

// Moved notes that the request is on another link now, with all that was written of it.
func (t *transfer) Moved(to *upstream.Link) { t.link = to }

// Waits reports whether there is no other target to go to.
func (t *transfer) Waits() bool { return t.tried.All(t.rule.Group) }

// Interim passes an interim answer on. A client that waits for a 100 (Continue) gets that once, and
// one that does not gets none (RFC 9110 15.2.1).
func (t *transfer) Interim() {
	resp := t.link.Client().Response()
	if t.interims++; t.interims > maxInterims {
		t.link.Disown()
		return
	}
	if resp.Status == 100 {
		t.x.Continue()
	} else {
		t.local.scratch = InterimLines(t.local.scratch[:0], &resp.Message)
		t.x.Interim(resp.Status, t.local.scratch)
	}
	t.x.Nudge()
}

// Response begins the client's answer. One that comes before the request has ended is final all the
// same: the rest of the request is read and dropped.
func (t *transfer) Response() {
	x, resp := t.x, t.link.Client().Response()
	if resp.Status == 101 {
		t.switchProtocols()
		return
	}
	if t.crossed(resp) && t.local.up.MayRetry() {
		t.link.Drop()
		t.link, t.why = nil, upstream.Overtaken.Fault()
		t.afresh()
		return
	}
	if !t.sent {
		x.DropBody()
	}
	h := x.BeginRelayed(resp.Status, resp.BodyLength())
	added := t.local.handler.opt.Added
	if x.Secured() {
		added = t.local.handler.opt.Secured
	}
	ResponseFields(h, resp, added, x.Clock().Date())
	h.End()
	t.answered = true
	if resp.HasBody() && !x.NoBody() {
		t.streams = true
		x.Stream(download{t})
		if !t.sent {
			x.DiscardBody()
		}
	}
	x.Resume()
}

// crossed reports whether an answer is none to this request. By a 408 a target announces that it
// closes a connection on which it has waited too long for a request, and the two have crossed on
// their way. It is no answer to a request of which there is nothing more to wait for, and which may
// be sent again (RFC 9110 15.5.9).
func (t *transfer) crossed(resp *http1.Response) bool {
	return resp.Status == 408 && resp.WantsClose() && t.link.Kept() && t.interims == 0 && !t.hasBody && t.repeatable()
}

// Body passes some of the answer's body on, or some of what comes through a tunnel, at the end of
// this turn. What the client does not take waits in the queue, and only when that is full the
// target is held up. While the session has some of the queue's file, it may be at work on another
// thread: then its next turn takes what is in the queue. Where there is no memory, the target is
// held up with each piece until the client has taken most of it, and More has it read on.
func (t *transfer) Body(p []byte, ref chain.Ref) {
	x := t.x
	if t.queue.Len() == 0 && x.Pending() < leastBuffer && !x.HasFile() {
		if x.WriteRef(p, ref); x.Thread().Full() {
			t.link.Pause()
		}
	} else if t.queue.Take(p, ref); t.queue.Full() {
		t.link.Pause()
	}
	x.Resume()
}

// TakesPipe reports whether some of that may come in a pipe: all that came before has left.
func (t *transfer) TakesPipe() bool { return t.queue.Len() == 0 && t.x.TakesPipe() }

// Pipe passes on what is in a pipe. What the client does not take of it at once is copied.
func (t *transfer) Pipe(p chain.Pipe, n int64) {
	t.x.WritePipe(p, n)
	t.x.Resume()
}

// looksAgain goes on after the queue was full, or has been read from the disk.
func (t *transfer) looksAgain() {
	t.readOn()
	if t.streams || t.tunnels {
		t.x.Resume()
	}
}

// readOn has the target read again, where there is room for what it says.
func (t *transfer) readOn() {
	if t.link != nil && !t.queue.Full() {
		t.link.Resume()
	}
}

// Room goes on with the request's body, or with what comes through a tunnel.
func (t *transfer) Room() { t.x.Resume() }

// End is the end of the answer. The target's connection is free again, however long the client
// still reads.
func (t *transfer) End() {
	x := t.x
	if t.tunnels {
		t.targetEnded = true
		t.passEnd()
		return
	}
	t.times, t.link, t.whole = t.link.Times(), nil, true
	t.note()
	if !t.streams {
		x.Finish()
		t.over()
	}
	x.Resume()
}

// Held is how much the kernel holds for the client.
func (t *transfer) Held() int64 { return t.x.Held() }

// Lost tries once more, where that does no harm, or gives up.
func (t *transfer) Lost(why upstream.Loss) {
	t.times, t.why, t.link = t.link.Times(), why.Fault(), nil
	switch {
	case t.tunnels:
		t.why = fault.Fault{} // either end of a tunnel may leave as it likes
		t.cut()
	case t.answered:
		t.cut()
	case t.again(why) && (why == upstream.Unasked || t.local.up.MayRetry()): // what was not sent is no retry
		t.afresh()
	case why.Unsent() && why != upstream.Unasked:
		t.elsewhere()
	default:
		t.fail()
	}
}

// afresh sends a request once more, to the same target over a new connection.
func (t *transfer) afresh() {
	t.x.DropBody() // until the connection is there
	if t.attempts = 0; !t.reach(upstream.NoneKept) {
		t.elsewhere()
	}
}

// again reports whether a request that was lost with a kept connection may be sent to the same
// target once more.
func (t *transfer) again(why upstream.Loss) bool {
	return why == upstream.Overtaken && t.repeatable() || why == upstream.Unasked && !t.taken
}

// elsewhere sends a request of which nothing was sent to another address of the target, or to
// another target.
func (t *transfer) elsewhere() {
	if t.attempts++; t.reach(upstream.NoneKept) {
		return
	}
	if t.exhausted() || !t.local.up.MayRetry() {
		t.fail()
		return
	}
	t.next()
}

// fail refuses the request.
func (t *transfer) fail() {
	x, why := t.x, t.why
	t.note()
	t.over()
	x.DropBody()
	x.Fail(why)
	x.Resume()
}

// cut gives up an answer that the client has the beginning of.
func (t *transfer) cut() {
	x, why := t.x, t.why
	t.note()
	t.over()
	x.Cut(why)
}

// abandon is the end of a transfer whose client has left, or will not send all of its request.
func (t *transfer) abandon() {
	if t.x == nil {
		return // it is over
	}
	if t.link != nil {
		t.times = t.link.Times()
		t.link.Drop()
	}
	t.note()
	t.over()
}

// note tells the log which target has answered, and when.
func (t *transfer) note() {
	if t.to == nil || t.noted {
		return
	}
	t.noted = true
	now := t.x.Thread().Clock.Now()
	u := session.Upstream{Name: t.to.Name, Connect: -1, Head: -1, Whole: -1}
	if t.times.Connected != 0 {
		u.Connect = t.times.Connected - t.times.Began
	}
	if t.times.Head != 0 {
		u.Head = t.times.Head - t.begun
	}
	if t.whole {
		u.Whole = now - t.begun
	}
	t.x.SetUpstream(u)
}

// over ends the transfer.
func (t *transfer) over() { t.local.giveBack(t) }
