package conformance

// Limits of size and of time: what is within works, what is over is refused and not
// left waiting. The numbers are those of FourWays.

import (
	"fmt"
	"strings"
	"time"
)

func limitCases() []Case {
	// The numbers of FourWays[Limits].
	const line, head, fields, body, requests = 512, 2048, 10, 1000, 3
	fill := func(prefix, suffix string, n int) string {
		return prefix + strings.Repeat("x", n-len(prefix)-len(suffix)) + suffix
	}
	lineOf := func(n int) string {
		return fill("GET "+sample+"?", " HTTP/1.1", n) + "\r\n" + localhost + "\r\n"
	}
	headOf := func(n int) string { return fill("GET "+sample+" HTTP/1.1\r\n"+localhost+"X: ", "\r\n\r\n", n) }
	bodyOfLength := func(n int) string { return fill(`{"a":"`, `"}`, n) }
	manyFields := func(n int) string { return get(sample, strings.Repeat("X: y\r\n", n-2)+"Last: z") }
	return topic("limits", []Case{
		house("line-exact", "9112 3", "a request line of exactly the limit works", lineOf(line), ok()).in(Limits),
		house("line-over", "9110 15.5.15", "a request line of one byte more is 414", lineOf(line+1), refused("414")).in(Limits),
		house("line-over-no-end", "9110 15.5.15", "a request line is refused before its end has come", "GET /"+strings.Repeat("x", 2*line), refused("414")).in(Limits).alone(),
		house("head-exact", "6585 5", "a head of exactly the limit works", headOf(head), ok()).in(Limits),
		house("head-over", "6585 5", "a head of one byte more is 431", headOf(head+1), refused("431")).in(Limits),
		house("fields-exact", "6585 5", "as many fields as the limit says work", manyFields(fields), ok()).in(Limits),
		house("fields-over", "6585 5", "one field more is 431", manyFields(fields+1), refused("431")).in(Limits),
		house("body-exact", "9110 15.5.14", "a body of exactly the limit works", upload(bodyOfLength(body)), answer("201")).in(Limits),
		house("body-over", "9110 15.5.14", "a body of one byte more is 413", upload(bodyOfLength(body+1)), refused("413")).in(Limits),
		house("body-chunked-exact", "9110 15.5.14", "chunks that add up to the limit work", uploadChunks(chunked(bodyOfLength(body), 64)), answer("201")).in(Limits),
		house("body-chunked-over", "9110 15.5.14", "chunks that add up to one byte more are 413", uploadChunks(chunked(bodyOfLength(body+1), 64)), refused("413")).in(Limits),
		house("body-chunk-over", "9110 15.5.14", "a chunk that would be too large is 413 before its data has come", uploadChunks("3e9\r\n"), refused("413")).in(Limits).alone(),
		script(HOUSE, "requests", "9112 9.3", "the third request is the last where the limit is three", func(x *exchange) { x.requestsUntilClose(requests) }).in(Limits),
		script(HOUSE, "requests-pipelined", "9112 9.6", "a fourth pipelined request is not answered where the limit is three", func(x *exchange) {
			x.open()
			x.send(strings.Repeat(get(sample), requests+1))
			for range requests {
				x.expect(want{method: "GET", status: "200"}, 1)
			}
			x.expectClose(HOUSE)
		}).in(Limits),
		house("default-line", "9110 15.5.15", "a request line of 8,193 bytes is 414", fill("GET "+sample+"?", " HTTP/1.1", 8193)+"\r\n"+localhost+"\r\n", refused("414")),
		house("default-fields", "6585 5", "a hundred fields work", manyFields(100), ok()),
		house("default-fields-over", "6585 5", "a hundred and one fields are 431", manyFields(101), refused("431")),
		house("default-head", "6585 5", "a head of 8,192 bytes works", headOf(8192), ok()),
		house("default-head-over", "6585 5", "a head of 8,193 bytes is 431", headOf(8193), refused("431")),
	})
}

// Times of the cases on timeouts. FourWays[Short] sets deadlines of one second; the
// grace of the minimum rate is five and no flag changes it.
const (
	lateWait   = 8 * time.Second // a second, or the grace, and some for a busy machine
	dripEvery  = 100 * time.Millisecond
	mostUnread = 64 << 20 // bytes that may lie in buffers between server and client

	// unreadBuffer is the receive buffer of a client that does not read, in bytes: small, but
	// of several segments. With less, the kernel tells the server of new room late, and an
	// answer that goes on would look like one that was cut.
	unreadBuffer = 256 << 10
)

func timeoutCases() []Case {
	cases := []Case{
		script(HOUSE, "half-head", "9110 15.5.9", "half a head is answered with 408", func(x *exchange) {
			x.open()
			x.send("GET " + sample + " HTTP/1.1\r\nHost: loc")
			x.lateRefusal("408")
		}),
		script(HOUSE, "first-byte", "9110 15.5.9", "one byte of a head is answered with 408", func(x *exchange) {
			x.open()
			x.send("G")
			x.lateRefusal("408")
		}),
		script(HOUSE, "no-last-line", "9110 15.5.9", "a head without its last line is answered with 408", func(x *exchange) {
			x.open()
			x.send("GET " + sample + " HTTP/1.1\r\n" + localhost)
			x.lateRefusal("408")
		}),
		script(HOUSE, "dripping-head", "9110 15.5.9", "a head that drips does not outlive its timeout", func(x *exchange) {
			x.open()
			x.send("GET " + sample + " HTTP/1.1\r\n" + localhost)
			x.drip("X: y\r\n")
		}),
		script(HOUSE, "dripping-empty-lines", "9112 2.2", "empty lines that drip do not keep a connection", func(x *exchange) {
			x.open()
			x.drip("\r\n")
		}),
		script(HOUSE, "idle-new", "9112 9.5", "a connection that says nothing is closed without an answer", func(x *exchange) {
			x.open()
			x.expectClose(HOUSE)
		}),
		script(HOUSE, "idle-kept", "9112 9.5", "a kept connection that says nothing is closed without an answer", func(x *exchange) {
			x.open()
			x.send(get(sample))
			x.expect(ok(), 1)
			x.expectClose(HOUSE)
		}),
		script(HOUSE, "second-head", "9110 15.5.9", "half of a second head is answered with 408", func(x *exchange) {
			x.open()
			x.send(get(sample) + "GET ")
			x.expect(ok(bodyOf(sample)), 1)
			x.lateRefusal("408")
		}),
		script(HOUSE, "body-stalls", "9110 15.5.9", "a body that stops is answered with 408 or cut", func(x *exchange) {
			x.open()
			x.send(uploadRaw("Content-Length: 7\r\n", doc[:3]))
			x.lateRefusal("408|closed")
		}),
		script(HOUSE, "chunks-stall", "9110 15.5.9", "a chunked body that stops is answered with 408 or cut", func(x *exchange) {
			x.open()
			x.send(uploadChunks("7\r\n{\"a"))
			x.lateRefusal("408|closed")
		}),
		script(HOUSE, "expected-body-stalls", "9110 15.5.9", "a body that was asked for and does not come is answered with 408 or cut", func(x *exchange) {
			x.open()
			x.send(uploadRaw("Expect: 100-continue\r\nContent-Length: 7\r\n", ""))
			x.expect(want{method: "POST", status: "100"}, 1)
			x.lateRefusal("408|closed")
		}),
		script(HOUSE, "slow-reader", "9112 9.5", "a client that does not read its answer is cut", func(x *exchange) {
			x.open()
			_ = x.tcp.SetReadBuffer(unreadBuffer)
			x.send(get("/sparse.txt"))
			// Nothing can be seen of a cut before the bytes in both sockets' buffers
			// are read, and reading would be what the client must not do: time is all
			// there is to wait for.
			time.Sleep(lateWait)
			if n := x.drain(mostUnread); n >= mostUnread {
				x.fail(HOUSE, "the answer goes on after the client read nothing for %v", lateWait)
			}
		}).ofStreams(),
		script(HOUSE, "patient", "9112 9.5", "a request that comes in pieces but in time is answered", func(x *exchange) {
			x.open()
			for piece := range strings.SplitSeq(get(sample), "o") {
				x.write(piece)
				if !strings.HasSuffix(piece, "\r\n\r\n") {
					x.write("o")
				}
			}
			x.expect(ok(bodyOf(sample)), 1)
		}),
	}
	for i := range cases {
		cases[i] = cases[i].in(Short)
	}
	return topic("timeout", cases)
}

// lateRefusal waits for what a server sends when its patience ends, and for the
// connection's end.
func (x *exchange) lateRefusal(status string) {
	r, err := x.in.response("GET", time.Now().Add(lateWait))
	if err == errClosed && inSet(status, closedStatus) {
		return
	}
	if err == errClosed {
		x.complain(nil, "the connection was closed without an answer, not with %s", status)
		return
	}
	x.noteBroken(r, err)
	x.inspect(r, 1)
	if !inSet(status, fmt.Sprint(r.Status)) {
		x.complain(r, "the status is %d, not %s", r.Status, or(status))
	}
	x.expectClose(HOUSE)
}

// drip sends a piece again and again until the server has had enough of it.
func (x *exchange) drip(piece string) {
	enough := time.Now().Add(lateWait)
	for x.in.end == nil && x.in.pos == len(x.in.buf) {
		if time.Now().After(enough) {
			x.fail(HOUSE, "the connection is still open after %v of dripping", lateWait)
		}
		x.write(piece)
		_ = x.in.fill(time.Now().Add(dripEvery))
	}
	x.lateRefusal("400|408|431|closed")
}

// drain reads up to most bytes without keeping them and returns their number.
func (x *exchange) drain(most int) (n int) {
	buf := make([]byte, readStep)
	_ = x.conn.SetReadDeadline(time.Now().Add(answerWait))
	for n < most {
		m, err := x.conn.Read(buf)
		if n += m; err != nil {
			return n
		}
	}
	return n
}
