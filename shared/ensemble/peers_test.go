package ensemble

// The peers: clients that ask, and targets that answer, each as far and as fast as the course of
// events says. What they send says whose it is, and so what arrives can be judged.
//
// They are read by net/http, and not by our own parser, which would agree with itself.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"fourways/shared/proxyproto"
)

// alphabet is more of it than is ever sent at once.
var alphabet = bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), 40_000)

// fill is n bytes that only the one with this number sends, from the one at an offset on. They must
// not be written to.
func fill(number, at, n int) []byte {
	first := (number*7 + at) % 26
	return alphabet[first : first+n : first+n]
}

// isOf reports whether bytes are the first of those.
func isOf(number int, p []byte) bool {
	for at := 0; at < len(p); at += window {
		if n := min(len(p)-at, window); !bytes.Equal(p[at:at+n], fill(number, at, n)) {
			return false
		}
	}
	return true
}

// kinds of clients.
const (
	plain = iota
	plainTLS
	proxied
	proxiedTLS
	relayed
	proxiedRelayed
	plainOnTLS // HTTP where TLS is expected
	unproxied  // HTTP where a PROXY header is expected
	kinds
)

// request is one that a client has begun to send.
type request struct {
	number   int
	method   string
	site     int  // bytes of the site's file that it is for; -1 for a target's
	upgrades bool // it asks for a tunnel
	bad      bool // it is none
	ends     int  // where it ends in what its client says
}

// client is one of the clients.
type client struct {
	w       *world
	kind    int
	number  int
	k       *socket
	says    []byte // all that it says, without what lies below HTTP
	told    int    // of that, what it has given to its connection
	wire    []byte // what is to be sent, as it goes
	got     []byte // all that it has got
	asked   []*request
	tunnels bool // it has asked for a tunnel: what follows belongs there
	spoke   int  // bytes that it says there, or in a relay
	ended   bool
	whole   bool // by TLS, what it has got has come to its end
	tls     *tlsClient
}

// deletesEmpty is a kind of request that may be repeated, with a body without a byte.
const deletesEmpty = 12

// ask makes the client say one more request.
func (c *client) ask(kind int) {
	if c.relays() || c.tunnels || c.ended {
		c.speak(10 + kind*500)
		return
	}
	c.w.asked++
	q := &request{number: c.w.asked, method: "GET", site: -1}
	c.asked = append(c.asked, q)
	head, body := "", ""
	version, path := "1.1", fmt.Sprintf("/p/%d", q.number)
	chunked := "Transfer-Encoding: chunked\r\n"
	switch kind % 20 {
	case 1:
		q.method = "HEAD"
	case 2:
		q.method, head, body = "POST", "Content-Length: 10\r\n", string(fill(q.number, 0, 10))
	case 3:
		q.method, head, body = "POST", chunked, "3\r\n"+string(fill(q.number, 0, 3))+"\r\n0\r\n\r\n"
	case 4:
		q.method, head, body = "POST", "Content-Length: 150000\r\n", string(fill(q.number, 0, 150_000))
	case 5, 6:
		q.upgrades, head = true, "Connection: upgrade\r\nUpgrade: x\r\n"
	case 7:
		path, q.site = "/small.txt", smallFile
	case 8:
		path, q.site = "/large.txt", largeFile
	case 9:
		q.method, head, body = "PUT", "Expect: 100-continue\r\nContent-Length: 20\r\n", string(fill(q.number, 0, 20))
	case 10:
		version = "1.0"
	case 11:
		head = "Connection: close\r\n"
	case deletesEmpty:
		q.method, head, body = "DELETE", chunked, "0\r\n\r\n"
	case 13:
		q.method, head, body = "POST", chunked, "0\r\n\r\n"
	case 14:
		q.bad, head = true, "Content-Length: x\r\n"
	case 15:
		path, q.site = "/missing.txt", 0
	case 16:
		q.method, path, q.site = "POST", "/upload", 0
		head, body = "Content-Type: application/json\r\nContent-Length: 30000\r\n", `{"a":"`+string(fill(1, 0, 30_000-8))+`"}`
	case 17:
		q.method, head, body = "PUT", chunked, "7d0\r\n"+string(fill(q.number, 0, 2000))+"\r\n"+"0\r\n\r\n"
	case 18:
		q.method, q.bad, head, body = "POST", true, chunked, "5\r\n"+string(fill(q.number, 0, 5))+"\r\nzz\r\n"
	case 19:
		q.method, path, q.site = "POST", "/small.txt", 0
		head, body = "Content-Length: 200000\r\n", string(fill(q.number, 0, 200_000))
	}
	c.say(fmt.Sprintf("%s %s HTTP/%s\r\nHost: h\r\nX-Number: %d\r\n%s\r\n%s", q.method, path, version, q.number, head, body))
	q.ends = len(c.says)
	c.tunnels = q.upgrades
}

// speak has it say n bytes that are no HTTP.
func (c *client) speak(n int) {
	c.say(string(fill(c.number, c.spoke, n)))
	c.spoke += n
}

func (c *client) say(text string) { c.says = append(c.says, text...) }

// relays reports whether all that it says goes elsewhere.
func (c *client) relays() bool { return c.kind == relayed || c.kind == proxiedRelayed }

// begin is what lies before all that a client says.
func (c *client) begin() {
	if c.kind == proxied || c.kind == proxiedTLS || c.kind == proxiedRelayed {
		c.wire = c.header()
	}
	if c.kind == plainTLS || c.kind == proxiedTLS {
		c.tls = newTLSClient(c.w)
		c.pump()
	}
}

// header is a PROXY header, of either version.
func (c *client) header() []byte {
	if c.number%3 == 0 {
		return fmt.Appendf(nil, "PROXY TCP4 %v 192.0.2.99 %d 80\r\n", c.address().Addr(), c.address().Port())
	}
	return proxyproto.Append(nil, c.address(), netip.MustParseAddrPort("192.0.2.99:80"), false)
}

// address is who it is.
func (c *client) address() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(1000+c.number))
}

// send has up to n bytes of what it says go into its socket.
func (c *client) send(n int) {
	p := c.says[c.told:min(c.told+n, len(c.says))]
	c.told += len(p)
	if c.tls != nil {
		c.tls.write = append(c.tls.write, p...)
		c.pump()
	} else {
		c.wire = append(c.wire, p...)
	}
	c.push(n)
}

// rubbish has a client of TLS send what is none.
func (c *client) rubbish(n byte) {
	if c.tls != nil {
		c.wire = append(c.wire, n, 3, 3, 0, 3, n, n, n)
		c.push(len(c.wire))
	}
}

// push has up to n bytes leave.
func (c *client) push(n int) { c.wire = c.wire[c.k.say(c.wire[:min(n, len(c.wire))]):] }

// take has it read up to n bytes.
func (c *client) take(n int) {
	p := c.k.take(n)
	if c.tls == nil {
		c.got = append(c.got, p...)
		return
	}
	c.tls.in = append(c.tls.in, p...)
	c.tls.eof = c.tls.eof || c.finished()
	c.pump()
	c.push(len(c.wire))
}

// pump has the client of TLS go on.
func (c *client) pump() {
	t := c.tls
	t.goOn()
	c.got, c.whole = append(c.got, t.got...), c.whole || t.whole
	t.got = nil
	c.wire = append(c.wire, t.out...)
	t.out = nil
}

// finished reports whether it has got the orderly end of what we send.
func (c *client) finished() bool {
	return len(c.k.out) == 0 && (c.k.shut || c.k.closed && !c.k.reset) && !c.k.dead
}

// completed reports whether an answer without a length has come to its end for the client.
func (c *client) completed() bool { return c.tls == nil && c.finished() || c.whole }

// end has it end its direction, with a word of TLS before or without.
func (c *client) end(polite bool) {
	if polite && c.tls != nil && c.tls.done && c.tls.err == nil {
		c.tls.conn.CloseWrite()
		c.pump()
	}
	c.push(len(c.wire))
	c.ended = true
	c.k.end()
}

// check judges what the client has got. It returns how many answers those are, and whether it is in
// a tunnel.
func (c *client) check() (answers int, tunnel bool) {
	if c.relays() {
		c.w.checkRelayed(c)
		return 0, false
	}
	src := bytes.NewReader(c.got)
	r := bufio.NewReader(src)
	for i := 0; ; i++ {
		if _, err := r.Peek(1); err != nil {
			return answers, false
		}
		var q *request
		method := "GET"
		if i < len(c.asked) {
			q = c.asked[i]
			method = q.method
		}
		rest := c.got[len(c.got)-src.Len()-r.Buffered():]
		resp, err := answerOf(r, method)
		if err != nil {
			c.judgeBroken(rest, err)
			return answers, false
		}
		if resp.StatusCode == 101 {
			c.checkTunnel(q, r)
			return answers + 1, true
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			c.w.fail("client %d got what is no answer: %v in %.300q", c.number, err, c.got)
		}
		if method == "HEAD" && resp.Close && resp.StatusCode >= 400 {
			return answers + 1, false
		}
		whole := err == nil && (resp.ContentLength >= 0 || len(resp.TransferEncoding) > 0 || c.completed() || method == "HEAD")
		c.judge(q, resp, body, whole)
		if !whole {
			return answers, false
		}
		if answers++; resp.Close && method != "HEAD" { // what is refused unread may have a body
			if _, err := r.Peek(1); err == nil {
				c.w.fail("client %d got something after its last answer: %.300q", c.number, c.got)
			}
		}
	}
}

// answerOf reads the next final answer, or a 101.
func answerOf(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil || resp.StatusCode >= 200 || resp.StatusCode == 101 {
			return resp, err
		}
	}
}

// judgeBroken says that what cannot be read is the beginning of an answer, after interim ones.
func (c *client) judgeBroken(rest []byte, err error) {
	if i := bytes.LastIndex(rest, []byte("\r\n\r\n")); i >= 0 {
		rest = rest[i+4:]
	}
	const begin = "HTTP/1.1 "
	if n := min(len(rest), len(begin)); string(rest[:n]) != begin[:n] {
		c.w.fail("client %d got what is no answer: %v in %.300q", c.number, err, c.got)
	}
}

// judge says that an answer is the one to its request, and that it looks whole only if it is.
func (c *client) judge(q *request, resp *http.Response, body []byte, whole bool) {
	w, ours := c.w, resp.Header.Get("X-Answer") == ""
	switch {
	case ours && (q == nil || q.site < 0 || q.bad):
		if resp.StatusCode < 400 {
			w.fail("client %d got %d of the server's own for nothing", c.number, resp.StatusCode)
		}
	case ours && resp.StatusCode == 200 && q.method == "GET":
		if !isOf(q.site, body) || whole && len(body) != q.site {
			w.fail("client %d got %d bytes of a file of %d", c.number, len(body), q.site)
		}
	case ours:
	case q == nil:
		w.fail("client %d got an answer that it has not asked for", c.number)
	default:
		c.judgeTargets(q, resp, body, whole)
	}
}

// judgeTargets is judge for the answer of a target.
func (c *client) judgeTargets(q *request, resp *http.Response, body []byte, whole bool) {
	w := c.w
	var number, nth int
	fmt.Sscan(resp.Header.Get("X-Answer"), &number, &nth)
	if number != q.number || nth >= len(w.answers) {
		w.fail("client %d has asked %d, and got the answer to %d", c.number, q.number, number)
	}
	a := w.answers[nth]
	if !isOf(1000+nth, body) {
		w.fail("client %d got something else than the body of answer %d", c.number, nth)
	}
	most := a.body
	if q.method == "HEAD" {
		most = 0
	}
	if len(body) > most || whole && !a.endless && len(body) != most {
		w.fail("client %d got %d bytes of a body of %d, which looks whole: %v", c.number, len(body), most, whole)
	}
	if whole && a.endless && q.method != "HEAD" && (!a.of.ended || len(body) != a.sent()) {
		w.fail("client %d got an answer that looks whole, of which %d bytes of %d have been sent (ended: %v)", c.number, len(body), a.sent(), a.of.ended)
	}
}

// checkTunnel says that what has come through a tunnel is what its target has sent there.
func (c *client) checkTunnel(q *request, r *bufio.Reader) {
	rest, _ := io.ReadAll(r)
	t := c.w.tunnelOf(q)
	switch {
	case q == nil || !q.upgrades || t == nil:
		c.w.fail("client %d is in a tunnel that nobody has made", c.number)
	case !isOf(2000+q.number, rest) || len(rest) > t.spoke:
		c.w.fail("client %d got %d bytes through a tunnel of %d", c.number, len(rest), t.spoke)
	}
	c.w.arrived[c] = len(rest)
}

// answer is one that a target gives.
type answer struct {
	of      *target
	to      *request
	begins  int  // where its body begins in what the target says
	body    int  // bytes of that
	endless bool // its end is that of the connection
}

// sent is how much of the body has left.
func (a *answer) sent() int { return min(max(a.of.told-a.begins, 0), a.body) }

// target is a connection to a target.
type target struct {
	w        *world
	k        *socket
	relayed  bool
	whose    *client // of a relay, whose it is
	taken    []byte  // what it has read
	read     int     // of that, what is understood
	seen     []*request
	answered int // of those
	says     []byte
	told     int // of that
	ended    bool
	endless  bool     // its last answer ends with the connection
	tunnel   *request // what asked for the tunnel that it is
	spoke    int      // bytes that it has said in a tunnel or relay
}

// take has it read up to n bytes, and understand requests.
func (t *target) take(n int) {
	t.taken = append(t.taken, t.k.take(n)...)
	for !t.relayed && t.tunnel == nil && t.understand() {
	}
}

// understand looks for one more request, whose body may still be missing.
func (t *target) understand() bool {
	head, _, found := bytes.Cut(t.taken[t.read:], []byte("\r\n\r\n"))
	if !found {
		return false
	}
	q := t.w.numbered(numberIn(head))
	if len(t.seen) == 0 || t.seen[len(t.seen)-1] != q {
		t.seen = append(t.seen, q)
	}
	r := bufio.NewReader(bytes.NewReader(t.taken[t.read:]))
	req, err := http.ReadRequest(r)
	if err != nil {
		t.w.fail("a target got what is no request: %v", err)
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	t.read = len(t.taken) - r.Buffered()
	rest, _ := io.ReadAll(r)
	t.read = len(t.taken) - len(rest)
	return true
}

// numberIn is the number of the request with this head.
func numberIn(head []byte) int {
	_, rest, _ := strings.Cut(string(head), "X-Number: ")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, _ := strconv.Atoi(text)
	return n
}

// answer has it say an answer to the oldest request that has none.
func (t *target) answer(kind int) {
	if t.relayed || t.tunnel != nil {
		t.speak(10 + kind*500)
		return
	}
	if t.answered >= len(t.seen) {
		return
	}
	q := t.seen[t.answered]
	head, foot, status := "", "", "200 OK"
	a := &answer{of: t, to: q, body: 5}
	final := true
	switch kind %= 19; kind {
	case 1:
		a.body = 300_000
	case 2:
		a.body = 20_000
	case 3:
		a.body, a.endless, t.endless = 40_000, true, true
	case 4:
		if q.upgrades {
			t.tunnel, a.body, status = q, 0, "101 Switching Protocols"
			head = "Connection: upgrade\r\nUpgrade: x\r\n"
		}
	case 5:
		status, final, a.body = "100 Continue", false, 0
	case 6:
		status, final, a.body = "103 Early Hints", false, 0
	case 7:
		status, head = "408 Request Timeout", "Connection: close\r\n"
	case 8:
		status, a.body = "204 No Content", 0
	case 9:
		status, a.body = "304 Not Modified", 0
	case 10:
		status = "200"
		head = "Content-Length: 5\r\nContent-Length: 6\r\n"
	case 11:
		a.body, head = 70_000, "Connection: close\r\n"
	case 12:
		a.body = 0
	case 13:
		a.body, head = 100_000, "Keep-Alive: timeout=1\r\n"
	case 14:
		status, a.body, foot = "500 Internal Server Error", 1000, "X-Foot: f\r\n"
	case 15:
		a.body = 900_000
	case 16, 17, 18:
		status, head = t.senseless(kind)
	}
	t.w.answers = append(t.w.answers, a)
	nth := len(t.w.answers) - 1
	t.say(fmt.Sprintf("HTTP/1.1 %s\r\nX-Answer: %d %d\r\n%s", status, q.number, nth, head))
	t.sayBody(a, nth, kind, final, foot, q.method == "HEAD")
	if final {
		t.answered++
	}
}

// senseless begins an answer that makes no sense, though it may be well-formed.
func (t *target) senseless(kind int) (status, head string) {
	switch kind {
	case 16: // to what nobody has asked for
		return "101 Switching Protocols", "Connection: upgrade\r\nUpgrade: y\r\n"
	case 17: // after more than anybody passes on
		t.say(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 12))
	case 18:
		head = "X-Long: " + strings.Repeat("x", 60_000) + "\r\n"
	}
	return "200 OK", head
}

// sayBody is the rest of an answer.
func (t *target) sayBody(a *answer, nth, kind int, final bool, foot string, noBody bool) {
	switch {
	case !final || kind == 8 || kind == 4 && t.tunnel != nil:
		t.say("\r\n")
	case kind == 2 || kind == 14:
		t.say("Transfer-Encoding: chunked\r\n\r\n")
	case a.endless:
		t.say("\r\n")
	case kind == 10:
		t.say("\r\n")
	default:
		t.say(fmt.Sprintf("Content-Length: %d\r\n\r\n", a.body))
	}
	a.begins = len(t.says)
	switch body := string(fill(1000+nth, 0, a.body)); {
	case noBody:
	case kind == 2 || kind == 14:
		for len(body) > 0 {
			n := min(len(body), 7000)
			t.say(fmt.Sprintf("%x\r\n%s\r\n", n, body[:n]))
			body = body[n:]
		}
		t.say("0\r\n" + foot + "\r\n")
	default:
		t.say(body)
	}
}

func (t *target) say(text string) { t.says = append(t.says, text...) }

// speak has it say n bytes that are no HTTP.
func (t *target) speak(n int) {
	number := 3000
	if t.tunnel != nil {
		number = 2000 + t.tunnel.number
	}
	t.say(string(fill(number, t.spoke, n)))
	t.spoke += n
}

// send has up to n bytes leave.
func (t *target) send(n int) {
	t.told += t.k.say(t.says[t.told : t.told+min(n, len(t.says)-t.told)])
}

// end has it end its direction.
func (t *target) end() {
	t.ended = t.ended || !t.k.over()
	t.k.end()
}

// leave has it close its end. That is an orderly end unless it has not read all.
func (t *target) leave() {
	over := t.k.over()
	t.k.leave()
	t.ended = t.ended || !over && !t.k.dead
}

// tlsClient is crypto/tls at the other end, which never waits.
type tlsClient struct {
	conn  *tls.Conn
	in    []byte
	out   []byte
	write []byte // what is to be sealed once the handshake is over
	got   []byte
	eof   bool
	whole bool // close_notify has come
	done  bool // the handshake is over
	err   error
	yield func(struct{}) bool
	next  func() (struct{}, bool)
	stop  func()
	buf   [16 << 10]byte
}

func newTLSClient(w *world) *tlsClient {
	t := &tlsClient{}
	t.conn = tls.Client(t, clientConfig())
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		t.err = t.conn.Handshake()
		t.yield, t.done = nil, true
	})
	w.cleanUp = append(w.cleanUp, t.stop)
	return t
}

// goOn does what can be done with what has come.
func (t *tlsClient) goOn() {
	if !t.done {
		t.next()
	}
	if !t.done || t.err != nil || t.whole {
		return
	}
	if len(t.write) > 0 {
		t.conn.Write(t.write)
		t.write = nil
	}
	for {
		n, err := t.conn.Read(t.buf[:])
		t.got = append(t.got, t.buf[:n]...)
		switch {
		case err == io.EOF:
			t.whole = true
			return
		case err != nil:
			return
		}
	}
}

type later struct{}

func (later) Error() string   { return "nothing has come" }
func (later) Temporary() bool { return true }
func (later) Timeout() bool   { return true }

func (t *tlsClient) Read(p []byte) (int, error) {
	for len(t.in) == 0 {
		switch {
		case t.eof:
			return 0, io.ErrUnexpectedEOF
		case t.yield == nil:
			return 0, later{}
		case !t.yield(struct{}{}):
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(p, t.in)
	t.in = t.in[n:]
	return n, nil
}

func (t *tlsClient) Write(p []byte) (int, error) {
	t.out = append(t.out, p...)
	return len(p), nil
}

func (t *tlsClient) Close() error                     { return nil }
func (t *tlsClient) LocalAddr() net.Addr              { return nil }
func (t *tlsClient) RemoteAddr() net.Addr             { return nil }
func (t *tlsClient) SetDeadline(time.Time) error      { return nil }
func (t *tlsClient) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsClient) SetWriteDeadline(time.Time) error { return nil }
