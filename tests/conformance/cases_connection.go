package conformance

// What happens between messages: expectations, keep-alive and close, pipelines, and
// the ways in which a client goes away.

import (
	"fmt"
	"strings"
	"time"
)

func expectCases() []Case {
	const expecting = "Expect: 100-continue\r\nContent-Length: 7\r\n"
	return topic("expect", []Case{
		mustScript("continue", continueFirst, "a client that waits for 100 gets it, or a final status", awaitContinue(expecting)),
		mustScript("case", expectCase, "100-continue is case-insensitive", awaitContinue("expect: 100-CONTINUE\r\nContent-Length: 7\r\n")),
		mustScript("chunked", continueFirst, "a client that will send chunks gets 100 too", func(x *exchange) {
			x.open()
			x.send(uploadRaw("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", ""))
			x.continued(chunked(doc, 3))
		}),
		must("body-at-once", continueFinal, "a client may send the body without waiting", uploadRaw(expecting, doc), created()),
		must("http10", continueHTTP10, "HTTP/1.0 gets no 100, whatever it expects",
			"POST /upload HTTP/1.0\r\n"+localhost+jsonType+expecting+"\r\n"+doc, bad("2xx|3xx|4xx|501")).alone(),
		must("no-body", supportGet, "an expectation without body is answered", get(sample, "Expect: 100-continue"), ok(bodyOf(sample))),
		house("unknown", "9110 15.5.18", "an unknown expectation is 417", upload(doc, "Expect: ‸miracles"), bad("417")),
		house("list", "9110 10.1.1", "an unknown expectation beside a known one is 417", upload(doc, "Expect: 100-continue, miracles"), bad("417")),
		script(HOUSE, "refused-type", "9110 10.1.1", "a body that would be refused is refused before it is sent", func(x *exchange) {
			x.finalAtOnce("Content-Type: text/plain\r\n"+expecting, "415")
		}),
		script(HOUSE, "refused-size", "9110 10.1.1", "a body that is too large is refused before it is sent", func(x *exchange) {
			x.finalAtOnce(jsonType+"Expect: 100-continue\r\nContent-Length: 900000000\r\n", "413")
		}),
		mustScript("get-at-once", continueFirst, "a GET that announces a body and waits is not left waiting", func(x *exchange) {
			x.open()
			x.send(get(sample, "Expect: 100-continue", "Content-Length: 7"))
			x.expect(want{method: "GET", status: "100|2xx|3xx|4xx|501"}, 1)
		}),
	})
}

// awaitContinue sends a head, waits for 100, and sends the body then.
func awaitContinue(framing string) func(x *exchange) {
	return func(x *exchange) {
		x.open()
		x.send(uploadRaw(framing, ""))
		x.continued(doc)
	}
}

// continued wants 100 or a final status, which may stand before the body has come (RFC 9110
// 10.1.1), and sends the body after a 100.
func (x *exchange) continued(body string) {
	r := x.expect(want{method: "POST", status: "100|2xx|3xx|4xx|501", ours: "100"}, 1)
	if r.Status != 100 {
		return
	}
	x.write(body)
	r = x.expect(want{method: "POST", status: "2xx|3xx|4xx|501", ours: "201"}, 1)
	x.after(want{conn: either}, r, 1)
}

// finalAtOnce sends a head that waits and wants a final status for it, no 100.
func (x *exchange) finalAtOnce(fields, status string) {
	x.open()
	x.send("POST /upload HTTP/1.1\r\n" + localhost + fields + "\r\n")
	r, err := x.in.response("POST", time.Now().Add(answerWait))
	x.noteBroken(r, err)
	x.inspect(r, 1)
	if !inSet(status, fmt.Sprint(r.Status)) {
		x.complain(r, "the status is %d, not %s", r.Status, or(status))
	}
}

func connectionCases() []Case {
	http10 := func(fields string) string { return "GET " + sample + " HTTP/1.0\r\n" + localhost + fields + "\r\n" }
	return topic("connection", []Case{
		should("persistent", "9112 9.3", "a connection stays open by default", get(sample), ok()),
		should("keep-alive", "9112 9.3", "Connection: keep-alive changes nothing", get(sample, "Connection: keep-alive"), ok()),
		must("close", closeAfter, "Connection: close is honoured, and nothing behind it is run", get(sample, "Connection: close"), refused("200", weighing(SHOULD, lists("Connection", "close")))),
		must("close-case", optionCase, "close is case-insensitive", get(sample, "connection: ClOsE"), refused("200")),
		must("close-list", closeAfter, "close is found in a list", get(sample, "Connection: x-a, close ,x-b"), refused("200")),
		must("close-tab", closeAfter, "close is found between tabs", get(sample, "Connection: x-a,\tclose\t"), refused("200")),
		must("close-second-line", fieldRepeats, "close is found on a second line", get(sample, "Connection: x-a", "Connection: close"), refused("200")),
		must("close-beats-keep-alive", closeFirst, "close beats keep-alive", get(sample, "Connection: keep-alive, close"), refused("200")),
		must("close-beats-keep-alive-behind", closeFirst, "close beats a keep-alive behind it", get(sample, "Connection: close, keep-alive"), refused("200")),
		must("close-empty-items", emptyElements, "empty items of a list are skipped", get(sample, "Connection: , ,close,"), refused("200")),
		should("not-close", "9112 9.3", "a token that only begins with close is another", get(sample, "Connection: closed"), ok()),
		must("close-head", closeAfter, "close is honoured on HEAD", head(sample, "Connection: close"), refused("200", empty)),
		must("close-error", closeAfter, "close is honoured on errors", get("/not-there.txt", "Connection: close"), refused("404").rfc(notServed)),
		must("close-upload", closeAfter, "close is honoured on uploads", upload(doc, "Connection: close"), refused("2xx|4xx|501")),
		must("http10-close", closesElse, "HTTP/1.0 is closed by default", http10(""), refused("200")),
		house("http10-keep-alive", "9112 9.3", "HTTP/1.0 is kept alive on request", http10("Connection: keep-alive\r\n"), answer("200", lists("Connection", "keep-alive"))),
		must("http10-keep-alive-case", supportGet, "HTTP/1.0's keep-alive is said or the connection closed", http10("Connection: Keep-Alive\r\n"), bad("200")),
		house("keep-alive-field", "9112 9.3", "a kept connection tells its timeout and how many requests are left",
			get(sample), ok(keepAliveField)),
		mustScript("one-after-another", supportGet, "twenty requests are answered on one connection", func(x *exchange) {
			x.open()
			for range 20 {
				x.send(get(sample))
				r := x.expect(ok(bodyOf(sample)), 1)
				if announced(r, 1) {
					x.at(HOUSE, "9112 9.3", r.At, "the connection closes before twenty requests")
					return
				}
			}
		}),
		script(HOUSE, "max-100", "9112 9.3", "the hundredth request's answer closes the connection, and the ones before it do not", func(x *exchange) {
			x.requestsUntilClose(100)
		}),
	})
}

// keepAliveField wants "timeout=T, max=N" with the default numbers.
func keepAliveField(x *exchange, r *Response) {
	var timeout, left int
	if _, err := fmt.Sscanf(r.Get("Keep-Alive"), "timeout=%d, max=%d", &timeout, &left); err != nil || timeout != 30 || left < 1 || left > 100 {
		x.complainAt(r, "Keep-Alive", "Keep-Alive is %q, not \"timeout=30, max=N\"", r.Get("Keep-Alive"))
	}
}

// requestsUntilClose wants the connection closed by the answer to request number n.
func (x *exchange) requestsUntilClose(n int) {
	x.open()
	for i := 1; i <= n; i++ {
		x.send(get(sample))
		r := x.expect(want{method: "GET", status: "200"}, 1)
		if closing := r.Lists("Connection", "close"); closing != (i == n) {
			x.complain(r, "answer %d of %d says close: %v", i, n, closing)
			return
		}
	}
	x.write(probe)
	x.expectClose(HOUSE)
}

func pipelineCases() []Case {
	return topic("pipeline", []Case{
		must("two", inOrder, "two requests in one write are answered in order", get(sample)+get("/logo.png"), ok(bodyOf(sample)), ok(bodyOf("/logo.png"))),
		must("mixed", inOrder, "answers keep the order of different requests",
			get("/not-there.txt")+head(sample)+get(sample, "Range: bytes=0-0")+get("/logo.png"),
			answer("404").rfc(notServed), ok(empty).to("HEAD"), answer("206|200"), ok(bodyOf("/logo.png"))),
		must("fifty", inOrder, "a batch of fifty is answered whole", strings.Repeat(get(sample), 50), times(50, ok(bodyOf(sample)))...).once(),
		must("uploads", inOrder, "bodies between pipelined requests are framed", upload(doc)+get(sample)+upload(doc)+get("/logo.png"),
			created().to("POST"), ok(bodyOf(sample)), created().to("POST"), ok(bodyOf("/logo.png"))),
		must("chunked-upload", inOrder, "a request behind a chunked body is answered", uploadChunks(chunked(doc, 2))+get(sample), created().to("POST"), ok(bodyOf(sample))),
		should("bad-behind-good", "9112 9.3.2", "valid requests before a bad one are answered first", get(sample)+get("/logo.png")+"GET ‸bad HTTP/9\r\n\r\n",
			ok(bodyOf(sample)), ok(bodyOf("/logo.png")), refused("400|505").freely()),
		must("bad-framing-behind-good", badLength, "a valid request before a false length is answered first", get(sample)+uploadRaw("Content-Length: ‸x\r\n", doc),
			ok(bodyOf(sample)), refused("400").to("POST")),
		must("close-in-the-middle", closeNoMore, "nothing behind Connection: close is run", get(sample)+get("/logo.png", "Connection: close")+get("/index.html"),
			ok(bodyOf(sample)), refused("200", bodyOf("/logo.png"))),
		must("http10-in-the-middle", closesElse, "nothing behind an HTTP/1.0 request is run", get(sample)+"GET /logo.png HTTP/1.0\r\n\r\n"+get("/index.html"),
			ok(bodyOf(sample)), want{method: "GET", status: "200", conn: either, http10: true}),
		should("empty-lines-between", "9112 2.2", "an empty line between requests is skipped", get(sample)+"\r\n"+get("/logo.png"), ok(), ok(bodyOf("/logo.png"))),
		script(HOUSE, "half-request-behind", "9112 9.3.2", "half a second request does not delay the first answer", func(x *exchange) {
			x.open()
			x.send(get(sample) + "GET " + probePath + " HT")
			r := x.expect(ok(bodyOf(sample)), 1)
			x.write("TP/1.1\r\n" + localhost + "\r\n")
			x.replay = Followed // the request after is on its way
			x.after(ok(), r, 1)
		}),
		script(HOUSE, "half-body-behind", "9112 9.3.2", "half a body does not delay the answer before it", func(x *exchange) {
			x.open()
			x.send(get(sample) + uploadRaw("Content-Length: 7\r\n", doc[:3]))
			x.expect(ok(bodyOf(sample)), 1)
			x.write(doc[3:])
			r := x.expect(created().to("POST"), 1)
			x.after(want{conn: either}, r, 1)
		}),
		mustScript("large-then-small", inOrder, "a small answer behind a large one is not lost", func(x *exchange) {
			x.open()
			x.send(get("/big.txt") + get(sample))
			if announced(x.expect(ok(lengthIs(bigSize)), 1), 1) {
				x.at(HOUSE, "9112 9.3", x.in.pos, "the connection is closed, and nothing asked for it")
				return
			}
			r := x.expect(ok(bodyOf(sample)), 1)
			x.after(ok(), r, 1)
		}).withFixtures(),
	})
}

// times repeats a want.
func times(n int, w want) []want {
	all := make([]want, n)
	for i := range all {
		all[i] = w
	}
	return all
}

// lengthIs wants a body of n bytes.
func lengthIs(n int) check {
	return func(x *exchange, r *Response) {
		if len(r.Body) != n {
			x.complain(r, "the body has %d bytes, not %d", len(r.Body), n)
		}
	}
}

func closingCases() []Case {
	return topic("closing", []Case{
		script(HOUSE, "half-close", "9112 9.6", "a client that closed its sending half gets its whole answer", func(x *exchange) {
			x.open()
			x.send(get(sample))
			_ = x.conn.CloseWrite()
			x.expect(want{method: "GET", status: "200", checks: []check{bodyOf(sample)}}, 1)
			x.expectClose(x.c.Level)
		}),
		script(HOUSE, "half-close-pipelined", "9112 9.6", "all pipelined requests of a half-closed client are answered", func(x *exchange) {
			x.open()
			x.send(strings.Repeat(get(sample), 5))
			_ = x.conn.CloseWrite()
			for range 5 {
				x.expect(want{method: "GET", status: "200", checks: []check{bodyOf(sample)}}, 1)
			}
			x.expectClose(x.c.Level)
		}),
		script(HOUSE, "half-close-large", "9112 9.6", "a half-closed client gets a large answer to its end", func(x *exchange) {
			x.open()
			x.send(get("/big.txt"))
			_ = x.conn.CloseWrite()
			x.expect(want{method: "GET", status: "200", checks: []check{lengthIs(bigSize)}}, 1)
			x.expectClose(x.c.Level)
		}).withFixtures(),
		script(HOUSE, "half-close-upload", "9112 9.6", "an upload of a half-closed client is answered", func(x *exchange) {
			x.open()
			x.send(upload(doc))
			_ = x.conn.CloseWrite()
			x.expect(created().to("POST"), 1)
			x.expectClose(x.c.Level)
		}),
		script(SHOULD, "end-in-head", "9112 8", "a head that ends too early is no request", func(x *exchange) {
			x.open()
			x.send("GET " + sample + " HTTP/1.1\r\nHost: local")
			_ = x.conn.CloseWrite()
			x.expect(want{method: "GET", status: "400|408|closed"}, 1)
			x.expectClose(x.c.Level)
		}),
		mustScript("end-in-body", incomplete, "a body that ends too early is not taken for whole", func(x *exchange) {
			x.open()
			x.send(uploadRaw("Content-Length: 8\r\n", doc))
			_ = x.conn.CloseWrite()
			x.expect(want{method: "POST", status: "4xx|501|closed"}, 1)
			x.expectClose(x.c.Level)
		}),
		mustScript("end-in-chunk", chunkedIncomplete, "a chunked body without its last chunk is not taken for whole", func(x *exchange) {
			x.open()
			x.send(uploadChunks("7\r\n" + doc + "\r\n"))
			_ = x.conn.CloseWrite()
			x.expect(want{method: "POST", status: "4xx|501|closed"}, 1)
			x.expectClose(x.c.Level)
		}),
		mustScript("reset-in-answer", supportGet, "clients that reset in the middle of an answer do no harm", func(x *exchange) {
			x.storm(20, func() {
				x.send(get("/big.txt"))
				_ = x.in.fill(time.Now().Add(answerWait)) // the answer has begun
				x.reset()
			})
		}).withFixtures(),
		mustScript("reset-in-head", supportGet, "clients that reset in the middle of a head do no harm", func(x *exchange) {
			x.storm(20, func() {
				x.send("GET " + sample + " HTTP/1.1\r\nHo")
				x.reset()
			})
		}),
		mustScript("gone-at-once", supportGet, "clients that send nothing and go do no harm", func(x *exchange) {
			x.storm(50, func() {})
		}),
		script(HOUSE, "no-reset-after-refusal", "9112 9.6", "a refusal reaches a client that is still sending", func(x *exchange) {
			x.open()
			// More than what fits in both sockets' buffers would block us: a refusal must be
			// readable although bytes after it were not taken.
			x.send("POST /upload HTTP/1.1\r\n" + localhost + jsonType + "Content-Length: 900000000\r\n\r\n" + strings.Repeat("x", 60_000))
			x.expect(want{method: "POST", status: "413"}, 1)
		}),
	})
}

// stormStep is how many connections of a storm are open before one is answered. A
// server that works a queue off in order has then done with them, so that storms never
// fill the queue, which other cases need.
const stormStep = 4

// storm opens n connections, one after another, does the same on each, and wants the
// server to go on answering.
func (x *exchange) storm(n int, do func()) {
	for i := range n {
		x.open()
		do()
		if i%stormStep == stormStep-1 || i == n-1 {
			x.ask(ok(bodyOf(sample)), get(sample))
		}
	}
}

func garbageCases() []Case {
	const nothing = "400|closed"
	return topic("garbage", []Case{
		should("tls-hello", "9112 2.2", "a TLS hello is no request", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", refused(nothing)).alone(),
		house("http2-preface", "9113 3.3", "the preface of HTTP/2 is refused", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused("400|405|501|505|closed")).alone(),
		should("binary", "9112 2.2", "binary noise is no request", "\x00\x01\x02\xff\xfe\xfd\r\n\r\n", refused(nothing)),
		should("smb", "9112 2.2", "another protocol's greeting is no request", "\x00\x00\x00\x85\xffSMBr\x00\x00\x00\x00\r\n\r\n", refused(nothing)),
		should("ssh", "9112 2.2", "an SSH greeting is no request", "SSH-2.0-OpenSSH_9.2\r\n\r\n", refused("400|501|505|closed")),
		should("smtp", "9112 2.2", "an SMTP greeting is no request", "EHLO localhost\r\n\r\n", refused("400|501|505|closed")),
		should("xml", "9112 2.2", "a document is no request", "<?xml version=\"1.0\"?>\r\n<a/>\r\n\r\n", refused("400|501|505|closed")),
		should("answer", "9112 2.2", "an answer is no request", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", refused("400|501|505|closed").freely()),
		script(HOUSE, "empty-lines", "9112 2.2", "an endless run of empty lines is not put up with", func(x *exchange) {
			x.open()
			x.write(strings.Repeat("\r\n", 50_000))
			x.expect(want{method: "GET", status: nothing}, 1)
			x.expectClose(HOUSE)
		}),
		script(HOUSE, "endless-line", "9112 3", "a request line without end is refused", func(x *exchange) {
			x.open()
			x.write("GET /" + strings.Repeat("x", 200_000))
			x.expect(want{method: "GET", status: "414"}, 1)
		}),
		script(HOUSE, "endless-field", "9110 5.4", "a field line without end is refused", func(x *exchange) {
			x.open()
			x.write("GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 200_000))
			x.expect(want{method: "GET", status: "431"}, 1)
		}),
		script(HOUSE, "endless-method", "9112 3", "a method without end is refused", func(x *exchange) {
			x.open()
			x.write(strings.Repeat("X", 200_000))
			x.expect(want{method: "GET", status: "414|4xx|501|closed"}, 1)
		}),
	})
}
