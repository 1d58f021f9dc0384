// Package proxy passes requests on to servers behind this one, and their answers back.
//
// A [Handler] stands in front of the site. Requests below a prefix of its rules go to the targets
// of that rule (package upstream); all others are the site's. The files stand in the order of a
// request's way: match.go finds the rule, transfer.go is one request that is passed on, fields.go
// says which fields pass.
//
// What is forwarded is what was understood, and never what was received: the request is written
// anew from the parsed one, and so is the answer. A server behind this one then cannot find other
// requests in the same bytes than we did.
//
// Who owns what: a Handler is shared by all threads and does not change. A transfer belongs to the
// thread of its client's session, like the link to the target: both are driven by one driver, and
// tell each other by nudges. What must not be done: nothing here may wait, and nothing of a request
// may be kept whole, neither its body nor its answer's.
package proxy

import (
	"sync"

	"fourways/shared/fault"
	"fourways/shared/session"
	"fourways/shared/spill"
	"fourways/shared/upstream"
)

// Bounds that nobody needs to change.
const (
	maxInterims   = 8        // interim answers to one request
	leastBuffer   = 64 << 10 // bytes for a client beyond which an answer goes into its queue
	keptTransfers = 64       // that a thread keeps for the next requests
)

// Site answers what is not passed on.
type Site interface {
	session.Handler
	// Open reports whether a request, which may be one that is passed on, needs no password where
	// others do.
	Open(x *session.Exchange, passedOn bool) bool
	// Precedes answers the requests that are the server's own wherever it passes them on to: those
	// that are to be sent by TLS, and the reports about itself for those who may see them. It
	// reports whether it has.
	Precedes(x *session.Exchange) bool
}

// Rule is where the requests below a prefix go.
type Rule struct {
	Prefix string // of the decoded path: "/", "/app", or "/app/"
	Group  *upstream.Group
}

// Options is what a Handler is made with.
type Options struct {
	Set        *upstream.Set
	Rules      []Rule
	Strip      bool         // the prefix is taken away
	TargetHost bool         // the target gets its own name as Host, and not what the client has asked for
	Added      []Added      // fields of each final answer
	Secured    []Added      // the same where the client has come by https
	Queues     *spill.Spill // where answers, and what comes through tunnels, wait for clients
	Site       Site
}

// Handler passes requests on.
type Handler struct {
	opt    Options
	locals sync.Map // *session.Thread to *local
}

// New makes a Handler.
func New(opt Options) *Handler { return &Handler{opt: opt} }

// local is what the transfers of one thread share.
type local struct {
	handler *Handler
	up      *upstream.Local
	queues  *spill.Thread
	free    []*transfer
	scratch []byte // for lines of interim answers
}

func (h *Handler) localOf(thread *session.Thread) *local {
	if l, ok := h.locals.Load(thread); ok {
		return l.(*local)
	}
	l := &local{handler: h, up: h.opt.Set.LocalOf(thread)}
	l.queues = h.opt.Queues.Thread(thread.Host, &thread.Clock, thread.Pool(spill.BlockSize))
	l.queues.Full = thread.Full
	h.locals.Store(thread, l)
	return l
}

// borrow lends a transfer.
func (l *local) borrow() *transfer {
	if n := len(l.free); n > 0 {
		t := l.free[n-1]
		l.free = l.free[:n-1]
		return t
	}
	t := &transfer{local: l}
	t.left, t.news = t.abandon, t.looksAgain
	return t
}

func (l *local) giveBack(t *transfer) {
	t.queue.Close()
	*t = transfer{local: l, left: t.left, news: t.news, queue: t.queue} // which knows its old work
	if len(l.free) < keptTransfers {
		l.free = append(l.free, t)
	}
}

// Serve passes a request on, or has the site answer it.
func (h *Handler) Serve(x *session.Exchange) {
	rule := h.match(x.Path())
	if rule == nil || h.opt.Site.Precedes(x) {
		if rule == nil {
			h.opt.Site.Serve(x)
		}
		return
	}
	if f := admit(x); !f.OK() {
		x.Fail(f)
		return
	}
	if endsHere(x.Request()) {
		h.opt.Site.Serve(x)
		return
	}
	h.localOf(x.Thread()).borrow().begin(x, rule)
}

// Open reports whether a request needs no password where others do.
func (h *Handler) Open(x *session.Exchange) bool {
	return h.opt.Site.Open(x, h.match(x.Path()) != nil)
}

// Refuse answers a request that was turned away, in the site's words.
func (h *Handler) Refuse(x *session.Exchange, f fault.Fault) { h.opt.Site.Refuse(x, f) }
