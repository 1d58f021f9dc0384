package conformance

// One play of one case: a connection, what went over it, and what was wrong. An
// exchange belongs to the goroutine that plays it and opens one connection at a time.

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// How long a judge waits. Only a server that fails makes it wait so long.
var (
	answerWait = 5 * time.Second // for an answer, from the end of the request, or a part of a large one
	closeWait  = 3 * time.Second // for the end of a connection that must close
)

// BePatient has all judges wait four times as long, as on a machine that has other things to do.
// It is to be called before the first of them.
var BePatient = sync.OnceFunc(func() { answerWait, closeWait = 4*answerWait, 4*closeWait })

// probePath is what the request behind a case's own asks for, and sample the file
// that the cases on ranges and conditions ask for.
const (
	probePath = "/about.html"
	sample    = "/sample.txt"
)

// probe is the request that shows whether a connection is still in step.
const probe = "GET " + probePath + " HTTP/1.1\r\nHost: localhost\r\n\r\n"

// Fault is one thing found wrong.
type Fault struct {
	Level Level
	RFC   string // number and section, "" where only our policy speaks
	Quote string // the sentence that a MUST rests on
	Text  string
	Wide  bool // found by the checks of every answer: many cases may show it
	At    int  // offset in the bytes received, -1 where no byte is to blame
	Kind  Kind // what sort of fault it is, by which a report gathers those of one cause
	Got   int  // of WrongStatus: the status that came

	wish expectation // of the case that is not met; the zero value for a script's
}

// Everywhere reports whether a fault is none of the case's own, but one that any answer may show.
func (f *Fault) Everywhere() bool { return f.Wide || f.Kind == Unannounced }

// Kind is a sort of fault.
type Kind uint8

// The kinds that are told apart. What a check complains of is Other.
const (
	Other       Kind = iota
	NoAnswer         // none came, or the connection was closed instead
	Malformed        // an answer breaks the protocol
	WrongStatus      // another status than the case wants
	HeadBody         // a body stands behind an answer to HEAD
	NotClosed        // the connection goes on and should have ended
	OutOfStep        // the next request is answered wrongly
	Unannounced      // the connection is closed without "Connection: close" before
	Died             // the server's process has ended
)

// exchange is one play of one case. Its methods note faults; those that cannot go
// on after one end the play by panicking with stop, which play recovers.
type exchange struct {
	server *server
	c      *Case
	replay Replay
	began  time.Time
	conn   duplex       // what the case's bytes go through
	tcp    *net.TCPConn // beneath it: the same, or what carries the TLS
	in     reader
	sent   []byte
	mark   int // offset in sent of the byte that the case is about, -1 for none
	faults []Fault
	wide   bool        // the checks of every answer are running
	kind   Kind        // of the fault that is noted next
	before string      // the method of the request answered last
	weight Level       // of what the checks complain about
	wish   expectation // the one that is being looked at
	skip   string
	made   []string // files to remove after the play
}

// stop ends a play. The reason is in the exchange already.
type stop struct{}

// play plays a case once and returns the exchange for its faults and transcript.
func play(s *server, c *Case, how Replay) (x *exchange) {
	x = &exchange{server: s, c: c, replay: how, began: time.Now(), mark: -1, weight: c.Level}
	defer func() {
		x.hangUp()
		for _, path := range x.made {
			_ = os.Remove(path) // it may have been renamed
		}
		if r := recover(); r != nil {
			if _, ours := r.(stop); !ours {
				panic(r)
			}
		}
	}()
	if c.script != nil {
		c.script(x)
		return x
	}
	x.open()
	x.run()
	return x
}

// run plays a case that is a row of a table.
func (x *exchange) run() {
	text := x.expand(x.c.bytes)
	if at := strings.Index(text, caretMark); at >= 0 {
		text = text[:at] + text[at+len(caretMark):]
		x.mark = at
	}
	if x.replay == Followed {
		text += probe
	}
	x.write(text)
	method, minor := firstLine(text)
	var last *Response
	for i, w := range x.c.wants {
		if w.http10 {
			minor = 0
		}
		if w.method == "" {
			w.method = "GET"
			if i == 0 {
				w.method = method
			}
		}
		x.wish = expectation{answer: i + 1}
		if last = x.expect(w, minor); last == nil {
			return // closed, and that was allowed
		}
		if i < len(x.c.wants)-1 && announced(last, minor) {
			x.at(HOUSE, "9112 9.3", last.StatusAt, "the connection is closed, and nothing asked for it")
			x.expectAnnouncedClose(last)
			return // what is left was not processed (RFC 9112 9.3.2)
		}
	}
	x.wish = expectation{what: connection}
	x.after(x.c.wants[len(x.c.wants)-1], last, minor)
}

// firstLine takes method and minor version from the bytes of a request.
func firstLine(bytes string) (method string, minor int) {
	line, _, _ := strings.Cut(strings.TrimLeft(bytes, "\r\n"), "\n")
	method, _, _ = strings.Cut(line, " ")
	if strings.HasSuffix(strings.TrimRight(line, "\r"), "HTTP/1.0") {
		return method, 0
	}
	return method, 1
}

// open dials the server. A script that needs a second connection calls it again.
func (x *exchange) open() {
	x.hangUp()
	conn, tcp, err := x.server.dial(cmp.Or(x.server.relay, x.server.addr))
	if err != nil {
		x.kind = NoAnswer
		x.fail(x.c.Level, "no connection to the server: %v", err)
	}
	x.conn, x.tcp, x.before = conn, tcp, ""
	x.in = reader{conn: conn}
	x.sent, x.mark = nil, -1
}

func (x *exchange) hangUp() {
	if x.conn != nil {
		_ = x.conn.Close()
	}
}

// reset ends the connection with a reset, and says nothing of it before.
func (x *exchange) reset() {
	_ = x.tcp.SetLinger(0)
	_ = x.tcp.Close()
}

// write sends bytes, one at a time in that replay. An error is no fault: the server
// may have answered and closed before the end.
func (x *exchange) write(bytes string) {
	x.sent = append(x.sent, bytes...)
	_ = x.conn.SetWriteDeadline(time.Now().Add(answerWait))
	step := len(bytes)
	if x.replay == ByteByByte {
		step = 1
	}
	for p := []byte(bytes); len(p) > 0; p = p[min(step, len(p)):] {
		if _, err := x.conn.Write(p[:min(step, len(p))]); err != nil {
			return
		}
		runtime.Gosched()
	}
}

// send is write for scripts: it fills names in.
func (x *exchange) send(bytes string) { x.write(x.expand(bytes)) }

// at notes a fault that concerns a byte received.
func (x *exchange) at(l Level, rfc string, at int, format string, args ...any) {
	f := Fault{Level: l, RFC: rfc, Text: fmt.Sprintf(format, args...), Wide: x.wide, At: at, Kind: x.kind, wish: x.wish}
	x.kind = Other
	if l == MUST && rfc == x.c.RFC {
		f.Quote = x.c.Quote
	}
	x.faults = append(x.faults, f)
}

// breaks notes a fault against a sentence that binds every case.
func (x *exchange) breaks(on sentence, at int, format string, args ...any) {
	x.at(MUST, on.rfc, at, format, args...)
	x.faults[len(x.faults)-1].Quote = on.text
}

// complain notes a fault at the weight of the case, or of the check that is running.
func (x *exchange) complain(r *Response, format string, args ...any) {
	at := -1
	if r != nil {
		at = r.StatusAt
	}
	x.at(x.weight, x.c.RFC, at, format, args...)
}

// complainAt is complain about one field.
func (x *exchange) complainAt(r *Response, field, format string, args ...any) {
	x.complain(r, format, args...)
	if all := r.All(field); len(all) > 0 {
		x.faults[len(x.faults)-1].At = all[0].At
	}
}

// fail notes a fault and ends the play.
func (x *exchange) fail(l Level, format string, args ...any) {
	x.at(l, x.c.RFC, -1, format, args...)
	panic(stop{})
}

// skipped ends the play: the case does not apply to this server.
func (x *exchange) skipped(format string, args ...any) {
	x.skip = fmt.Sprintf(format, args...)
	panic(stop{})
}

// expect reads the answer that w describes and judges it. It returns nil where the
// connection was closed instead and that was allowed.
func (x *exchange) expect(w want, minor int) *Response {
	r, err := x.in.response(w.method, time.Now().Add(answerWait))
	for err == nil && r.Status/100 == 1 && !inSet(w.status, strconv.Itoa(r.Status)) {
		x.inspect(r, minor) // an interim answer says nothing yet (RFC 9110 15.2)
		r, err = x.in.response(w.method, time.Now().Add(answerWait))
	}
	if errors.Is(err, errClosed) && w.status != "" && inSet(w.status, closedStatus) {
		x.narrow(w, closedStatus, nil)
		return nil
	}
	x.noteBroken(r, err)
	x.before = w.method
	x.inspect(r, minor)
	x.look(theStatus, 0)
	status := strconv.Itoa(r.Status)
	if !inSet(w.status, status) {
		x.wrongStatus(x.weight, r, or(w.status), "not")
	} else {
		x.narrow(w, status, r)
	}
	for i, check := range w.checks {
		x.look(theCheck, i+1)
		check(x, r)
	}
	return r
}

// look notes which expectation of the case's own row is looked at. A script has none.
func (x *exchange) look(what aspect, check int) {
	if x.c.script == nil {
		x.wish.what, x.wish.check = what, check
	}
}

// noteBroken ends the play where there is no answer that could be judged.
func (x *exchange) noteBroken(r *Response, err error) {
	var m *malformed
	switch {
	case err == nil:
	case errors.As(err, &m) && x.before == "HEAD" && r != nil && r.Status == 0:
		x.kind = HeadBody
		x.breaks(headBody, r.At, "a body follows the head of an answer to HEAD")
		panic(stop{})
	case errors.As(err, &m):
		on, text := m.on, m.text
		if on == (sentence{}) {
			on, text = grammar, text+" (RFC "+m.rfc+")"
		}
		x.kind = Malformed
		x.breaks(on, m.at, "%s", text)
		if r != nil && r.Status != 0 {
			x.faults[len(x.faults)-1].Text += fmt.Sprintf(" (status %d)", r.Status)
		}
		panic(stop{})
	case errors.Is(err, errSilent):
		x.kind = NoAnswer
		x.fail(x.c.Level, "no answer came within %v", answerWait)
	default:
		x.kind = NoAnswer
		x.fail(x.c.Level, "%v", err)
	}
}

// narrow holds an accepted status against what is recommended and what our policy is.
func (x *exchange) narrow(w want, status string, r *Response) {
	if !inSet(w.ideal, status) {
		x.wrongStatus(SHOULD, r, or(w.ideal), "better were")
	}
	if !inSet(w.ours, status) {
		x.wrongStatus(HOUSE, r, or(w.ours), "our policy is")
	}
}

// wrongStatus notes that another status came than is wanted, or none: then r is nil.
func (x *exchange) wrongStatus(l Level, r *Response, wanted, verb string) {
	status, got, at := closedStatus, 0, -1
	if r != nil {
		status, got, at = strconv.Itoa(r.Status), r.Status, r.StatusAt
	}
	x.kind = WrongStatus
	x.at(l, x.c.RFC, at, "the status is %s, %s %s", status, verb, wanted)
	x.faults[len(x.faults)-1].Got = got
}

// after looks at what becomes of the connection.
func (x *exchange) after(w want, r *Response, minor int) {
	conn, level := w.conn, x.c.Level
	if x.server.house && conn != w.oursConn {
		conn, level = w.oursConn, HOUSE
	}
	switch {
	case announced(r, minor):
		if conn == stays && minor == 1 {
			x.at(HOUSE, "9112 9.3", r.StatusAt, "the connection is closed, and nothing asked for it")
		}
		x.expectAnnouncedClose(r)
	case conn == closes:
		// Byte by byte, an answer may be on its way before the fault is.
		if x.replay != ByteByByte {
			x.kind = Unannounced
			x.at(SHOULD, "9112 9.6", r.StatusAt, `the connection's last answer lacks "Connection: close"`)
		}
		x.expectClose(level)
	default:
		x.expectProbe(conn)
	}
}

// announced reports whether an answer says that it is the connection's last. HTTP/1.0, on either
// side, says so unless it says keep-alive (RFC 9112 9.3).
func announced(r *Response, minor int) bool {
	return r.ToEOF || r.Lists("Connection", "close") || (minor == 0 || r.Minor == 0) && !r.Lists("Connection", "keep-alive")
}

// expectClose wants the end of the connection and not a byte before it.
func (x *exchange) expectClose(l Level) {
	rfc := "9112 9.6"
	if l == MUST {
		rfc = x.c.RFC // whose sentence demands it
	}
	if !x.awaitEnd() {
		x.kind = NotClosed
		x.at(l, rfc, len(x.in.buf), "the connection stays open for %v and more, and should be closed", closeWait)
	} else if x.in.pos < len(x.in.buf) {
		x.kind = NotClosed
		x.at(l, rfc, x.in.pos, "more comes after the last answer, where the connection should be closed")
	}
	x.expectNotify()
}

// expectAnnouncedClose is expectClose after an answer that says that it is the last. A server may
// drain what the client still sends before it closes: that it should close its own half at once is
// our policy.
func (x *exchange) expectAnnouncedClose(r *Response) {
	on, last := closeNoMore, `an answer with "Connection: close"`
	if !r.Lists("Connection", "close") {
		on, last = closesElse, `HTTP/1.0's answer without "Connection: keep-alive", which is the last one`
	}
	if !x.awaitEnd() {
		x.at(HOUSE, on.rfc, len(x.in.buf), "the connection stays open for %v and more after %s", closeWait, last)
	} else if x.headBody() {
		x.kind = HeadBody
		x.breaks(headBody, x.in.pos, "a body follows the head of an answer to HEAD")
	} else if x.in.pos < len(x.in.buf) {
		x.breaks(on, x.in.pos, "more comes after %s", last)
	}
	x.expectNotify()
}

// headBody reports whether what comes after an answer to HEAD, if anything, is its body.
func (x *exchange) headBody() bool {
	rest := x.in.buf[x.in.pos:]
	return x.before == "HEAD" && len(rest) > 0 && !bytes.HasPrefix(rest, []byte("HTTP/")[:min(len(rest), 5)])
}

// expectNotify wants an end of TLS to have been announced: without close_notify a client cannot
// tell it from one that an attacker made.
func (x *exchange) expectNotify() {
	if errors.Is(x.in.end, errUnannounced) {
		x.breaks(closureAlerts, len(x.in.buf), "the connection is closed without close_notify")
	}
}

// awaitEnd reads until the connection ends or something comes. It reports false where
// neither happens in time.
func (x *exchange) awaitEnd() bool {
	deadline := time.Now().Add(closeWait)
	for x.in.end == nil && x.in.pos == len(x.in.buf) {
		if errors.Is(x.in.fill(deadline), errSilent) {
			return false
		}
	}
	return true
}

// expectProbe sends a request on, unless it rode behind the case's own, and wants
// the right answer: what else comes is out of step.
func (x *exchange) expectProbe(conn after) {
	ref := x.ref(probePath)
	if x.replay != Followed {
		x.write(probe)
	}
	r, err := x.in.response("GET", time.Now().Add(answerWait))
	if errors.Is(err, errClosed) {
		what := `the connection is closed without "Connection: close"`
		if conn == stays {
			what = "the connection is closed, and nothing asked for it"
		}
		x.kind = Unannounced
		x.at(SHOULD, "9112 9.6", len(x.in.buf), "%s", what)
		return
	}
	if err != nil && x.in.pos == 0 {
		x.fail(x.c.Level, "a second request on the connection: %v", err)
	}
	x.noteBroken(r, err)
	x.inspect(r, 1)
	if r.Status != ref.Status || string(r.Body) != string(ref.Body) {
		x.kind = OutOfStep
		x.breaks(readBody, r.StatusAt, "the next request on the connection is answered wrongly: the stream is out of step")
	}
}

// ref is the plain answer to a GET of a path, asked once of each server.
func (x *exchange) ref(path string) *Response {
	r, err := x.server.ref(path)
	if err != nil {
		x.fail(x.c.Level, "GET %s, for comparison: %v", path, err)
	}
	return r
}

// sampleRef is the reference of the sample file, where it is long enough to ask for
// parts of it.
func (x *exchange) sampleRef() *Response {
	r := x.ref(sample)
	if r.Status != 200 || len(r.Body) < shortestSample {
		x.skipped("the server has no %s of %d bytes and more", sample, shortestSample)
	}
	return r
}

// shortestSample is the length that the cases on ranges need of sample, in bytes.
const shortestSample = 32

// expand fills in what is known at run time only: {etag}, the dates {date},
// {rfc850}, {asctime} of the sample file's Last-Modified, {earlier}, {rfc850-earlier} and {later}
// by a day, and its length {size}, {size-1}, {size+1}.
func (x *exchange) expand(bytes string) string {
	bytes = strings.ReplaceAll(bytes, "{port}", x.server.addr[strings.LastIndexByte(x.server.addr, ':')+1:])
	for _, name := range []string{"{etag}", "{date}", "{rfc850}", "{rfc850-earlier}", "{asctime}", "{earlier}", "{later}", "{size}", "{size-1}", "{size+1}"} {
		if strings.Contains(bytes, name) {
			bytes = strings.ReplaceAll(bytes, name, x.sampleValue(name))
		}
	}
	return bytes
}

// rfc850 is the layout of the second of HTTP's three dates (RFC 9110 5.6.7).
const rfc850 = "Monday, 02-Jan-06 15:04:05 GMT"

func (x *exchange) sampleValue(name string) string {
	r := x.sampleRef()
	switch name {
	case "{etag}":
		if tag := r.Get("ETag"); strings.HasPrefix(tag, `"`) {
			return tag
		}
		x.skipped("%s has no strong ETag", sample)
	case "{size}":
		return strconv.Itoa(len(r.Body))
	case "{size-1}":
		return strconv.Itoa(len(r.Body) - 1)
	case "{size+1}":
		return strconv.Itoa(len(r.Body) + 1)
	}
	mod, err := http.ParseTime(r.Get("Last-Modified"))
	if err != nil {
		x.skipped("%s has no Last-Modified", sample)
	}
	mod = mod.UTC()
	switch name {
	case "{rfc850}":
		return mod.Format(rfc850)
	case "{rfc850-earlier}":
		return mod.AddDate(0, 0, -1).Format(rfc850)
	case "{asctime}":
		return mod.Format(time.ANSIC)
	case "{earlier}":
		mod = mod.AddDate(0, 0, -1)
	case "{later}":
		mod = mod.AddDate(0, 0, 1)
	}
	return mod.Format(http.TimeFormat)
}

// ask sends a request on a connection of its own and returns the answer, for scripts
// that compare.
func (x *exchange) ask(w want, bytes string) *Response {
	x.open()
	x.send(bytes)
	method, minor := firstLine(bytes)
	w.method = method
	r := x.expect(w, minor)
	if r == nil {
		panic(stop{})
	}
	return r
}
