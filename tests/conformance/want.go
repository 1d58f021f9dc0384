package conformance

// What may come back, at three weights: what the RFC demands, what it recommends, and
// what our own policy narrows it to.

import (
	"fmt"
	"strings"
)

// after says what becomes of the connection once an answer is complete.
type after uint8

const (
	either after = iota // it may stay or close, but must stay in step while it is open
	stays
	closes
)

// notServed are the statuses with which a server may say that there is no such file, or that it
// will not say: cases that are about something else take any of them.
const notServed = "403|404|410"

// closedStatus stands in a set of statuses for a connection that is closed without
// an answer.
const closedStatus = "closed"

// want is what may come back for one request. Sets of statuses are written
// "200|206|4xx"; an empty one accepts everything.
type want struct {
	method string // of the request answered; "" is the method that the bytes begin with
	http10 bool   // the request answered is HTTP/1.0, though the bytes begin with HTTP/1.1
	status string // accepted by the RFC (at the case's own level)
	ideal  string // what the RFC recommends, within status
	ours   string // what our policy narrows it to, within status

	conn     after // at the case's own level
	oursConn after // what our policy narrows it to

	checks []check
}

// check looks at one answer and complains to the exchange.
type check func(x *exchange, r *Response)

// answer wants a status, and the connection to stay open.
func answer(status string, checks ...check) want {
	return want{status: status, conn: stays, oursConn: stays, checks: checks}
}

// ok is the plain success.
func ok(checks ...check) want { return answer("200", checks...) }

// bad wants a status and leaves the connection to the server.
func bad(status string, checks ...check) want { return want{status: status, checks: checks} }

// refused wants a status and the connection closed, with nothing answered after it.
func refused(status string, checks ...check) want {
	return want{status: status, conn: closes, oursConn: closes, checks: checks}
}

// rfc widens the statuses that the RFC accepts: the first set was our policy.
func (w want) rfc(status string) want { w.ours, w.status = w.status, status; return w }

// ideally adds the statuses that the RFC recommends.
func (w want) ideally(status string) want { w.ideal = status; return w }

// freely makes what becomes of the connection a matter of our policy only.
func (w want) freely() want { w.conn = either; return w }

// to names the method of the request that is answered.
func (w want) to(method string) want { w.method = method; return w }

// expectation names one thing that a case wants, as far as its own row says it. The test
// of the suite itself asks of each whether it can fail.
type expectation struct {
	answer int // which of the case's answers, from 1 on; 0 for all of them
	what   aspect
	check  int // which of the answer's checks, from 1 on
}

// aspect is what of an answer is looked at.
type aspect uint8

const (
	theForm    aspect = iota // that it is an answer, and what every answer must be
	theStatus                // its status
	theCheck                 // one of its checks
	connection               // what becomes of the connection
)

func (e expectation) String() string {
	switch e.what {
	case theStatus:
		return fmt.Sprintf("the status of answer %d", e.answer)
	case theCheck:
		return fmt.Sprintf("check %d of answer %d", e.check, e.answer)
	case connection:
		return "what becomes of the connection"
	}
	return "that there is an answer"
}

// expectations lists what a case wants. A script has one: the zero value.
func (c *Case) expectations() (all []expectation) {
	if c.script != nil {
		return []expectation{{}}
	}
	for i, w := range c.wants {
		if w.status != "" || w.ours != "" || w.ideal != "" {
			all = append(all, expectation{i + 1, theStatus, 0})
		}
		for j := range w.checks {
			all = append(all, expectation{i + 1, theCheck, j + 1})
		}
	}
	return append(all, expectation{what: connection})
}

// inSet reports whether a status, or closedStatus, is in a set.
func inSet(set, status string) bool {
	if set == "" {
		return true
	}
	for item := range strings.SplitSeq(set, "|") {
		if item == status || len(item) == 3 && item[1:] == "xx" && len(status) == 3 && item[0] == status[0] {
			return true
		}
	}
	return false
}

// or writes a set as a reader would say it.
func or(set string) string { return strings.ReplaceAll(set, "|", " or ") }
