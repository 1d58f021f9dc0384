package http1

// The client's side: what an upstream may send, and what is made of it. Each row is played whole,
// byte by byte and in random cuts, and must give the same each time.

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/chain/chaintest"
)

var testLimits = Limits{RequestLine: 512, Head: 1024, Fields: 16, Body: 1 << 16}

func newTestClient(limits *Limits) *Client {
	c := NewClient(limits, bufpool.New(chain.ChunkSize, 8))
	c.Open()
	return c
}

// request sends a whole request.
func request(c *Client, method string) {
	c.Begin([]byte(method), []byte("/"), NoBody).End()
	c.Finish()
	c.Out().Ack(c.Out().Len())
}

// listen feeds the answers to one request and writes down what was found: one line for each, with
// its body, and how it ended.
func listen(c *Client, in []byte, cut func(int) int, eof bool) string {
	return listenBy(c, in, cut, eof, false)
}

// listenBy is listen. Where past is true, what is nothing but body goes past the client's memory.
func listenBy(c *Client, in []byte, cut func(int) int, eof, past bool) string {
	var log strings.Builder
	var body []byte
	for {
		switch ev := c.Next(); ev {
		case HasInterim:
			fmt.Fprintf(&log, "%d\n", c.Response().Status)
		case HasResponse:
			fmt.Fprintf(&log, "%d", c.Response().Status)
		case HasBody:
			body = append(body, c.Body()...)
		case End:
			fmt.Fprintf(&log, " %q\n", body)
		case Error:
			if c.Fault().Status != 502 {
				panic("an upstream's fault is not a client's")
			}
			fmt.Fprintf(&log, "%v\n", c.Fault().Reason)
			return log.String()
		case Closed:
			log.WriteString("closed\n")
			if c.Response().switches() { // however much of it had come by then
				fmt.Fprintf(&log, "%s%s", c.Rest(), in)
			}
			return log.String()
		case NeedData:
			switch due := c.Due(); {
			case len(in) > 0 && past && due > 0:
				n := min(int64(cut(len(in))), due)
				body = append(body, in[:n]...)
				c.Passed(n)
				in = in[n:]
			case len(in) > 0:
				free := c.Recv()
				if len(free) == 0 {
					panic("no room after NeedData")
				}
				n := copy(free[:min(len(free), cut(len(in)))], in)
				c.Received(n)
				in = in[n:]
			case eof:
				c.EOF()
				eof = false
			case c.Reusable():
				log.WriteString("reusable\n")
				return log.String()
			default:
				log.WriteString("more\n")
				return log.String()
			}
		}
	}
}

func answer(fields, body string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body }

func answerChunks(body string) string { return answer("Transfer-Encoding: chunked\r\n", body) }

var answers = []struct {
	name, method, in string
	eof              bool
	want             string
}{
	// Status line, RFC 9112 4.
	{"a sized body", "GET", answer("Content-Length: 5\r\n", "hello"), false, "200 \"hello\"\nreusable\n"},
	{"an empty body", "GET", answer("Content-Length: 0\r\n", ""), false, "200 \"\"\nreusable\n"},
	{"no reason phrase", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, "200 \"\"\nreusable\n"},
	{"nor the space before it", "GET", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, "200 \"\"\nreusable\n"},
	{"a reason phrase of any bytes", "GET", "HTTP/1.1 404 N\xc3\xb6 \t !\r\nContent-Length: 0\r\n\r\n", false, "404 \"\"\nreusable\n"},
	{"a bare CR in the reason phrase", "GET", "HTTP/1.1 200 a\rb\r\n\r\n", false, "bad-status-line\n"},
	{"NUL in the reason phrase", "GET", "HTTP/1.1 200 a\x00b\r\n\r\n", false, "bad-status-line\n"},
	{"a bare LF ends no line", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", false, "bad-line-ending\n"},
	{"a bare LF in the reason phrase splits nothing", "GET", "HTTP/1.1 200 OK\nHTTP/1.1 404 No\r\n\r\n", false, "bad-line-ending\n"},
	{"two spaces before the status", "GET", "HTTP/1.1  200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"a tab before the status", "GET", "HTTP/1.1\t200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"a tab after the status", "GET", "HTTP/1.1 200\tOK\r\n\r\n", false, "bad-status-line\n"},
	{"two digits", "GET", "HTTP/1.1 20 OK\r\n\r\n", false, "bad-status-line\n"},
	{"four digits", "GET", "HTTP/1.1 2000 OK\r\n\r\n", false, "bad-status-line\n"},
	{"a sign", "GET", "HTTP/1.1 +20 OK\r\n\r\n", false, "bad-status-line\n"},
	{"below 100", "GET", "HTTP/1.1 099 OK\r\n\r\n", false, "bad-status-line\n"},
	{"above 599", "GET", "HTTP/1.1 600 OK\r\n\r\n", false, "bad-status-line\n"},
	{"no status", "GET", "HTTP/1.1\r\n\r\n", false, "bad-status-line\n"},
	{"a space at the beginning", "GET", " HTTP/1.1 200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"an empty line before it", "GET", "\r\nHTTP/1.1 200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"a lone CR before it", "GET", "\rHTTP/1.1 200 OK\r\n\r\n", false, "bad-line-ending\n"},
	{"lower case", "GET", "http/1.1 200 OK\r\n\r\n", false, "bad-version\n"},
	{"two digits of version", "GET", "HTTP/1.10 200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"a later minor version is 1.1", "GET", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 \"\"\nreusable\n"},
	{"another major version", "GET", "HTTP/2.0 200 OK\r\n\r\n", false, "unsupported-version\n"},
	{"HTTP/0.9", "GET", "<html>hello</html>", false, "bad-status-line\n"},
	{"HTTP/0.9 that begins with letters", "GET", "hello\r\n", false, "bad-status-line\n"},
	{"HTTP/0.9 that ends", "GET", "hello", true, "cut-short\n"},
	{"another protocol", "GET", "ICY 200 OK\r\n\r\n", false, "bad-status-line\n"},
	{"SSH", "GET", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", false, "bad-status-line\n"},
	{"a request", "GET", "GET / HTTP/1.1\r\n\r\n", false, "bad-status-line\n"},
	{"a TLS alert", "GET", "\x15\x03\x01\x00\x02\x02\x46", false, "bad-status-line\n"},

	// Fields are read as a request's are, RFC 9112 5.
	{"a folded line", "GET", answer("A: b\r\n c\r\nContent-Length: 0\r\n", ""), false, "bad-field\n"},
	{"a space before the colon", "GET", answer("Content-Length : 0\r\n", ""), false, "bad-field\n"},
	{"no colon", "GET", answer("A\r\nContent-Length: 0\r\n", ""), false, "bad-field\n"},
	{"NUL in a value", "GET", answer("A: b\x00c\r\nContent-Length: 0\r\n", ""), false, "bad-field\n"},
	{"a bare CR in a value", "GET", answer("A: b\rContent-Length: 9\r\nContent-Length: 0\r\n", ""), false, "bad-field\n"},
	{"a bare LF after a value", "GET", answer("A: b\nContent-Length: 0\r\n", ""), false, "bad-line-ending\n"},
	{"a bare LF for the empty line", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n", false, "bad-line-ending\n"},
	{"too many fields", "GET", answer(strings.Repeat("A: b\r\n", 17), ""), false, "too-many-fields\n"},
	{"a head too large", "GET", answer(strings.Repeat(big(100), 11), ""), false, "head-too-large\n"},
	{"a head without end", "GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 2000), false, "head-too-large\n"},
	{"a status line without end", "GET", "HTTP/1.1 200 " + strings.Repeat("b", 600), false, "head-too-large\n"},

	// Content-Length, RFC 9110 8.6.
	{"two that differ", "GET", answer("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), false, "bad-content-length\n"},
	{"two that agree", "GET", answer("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), false, "bad-content-length\n"},
	{"a list", "GET", answer("Content-Length: 5, 5\r\n", "hello"), false, "bad-content-length\n"},
	{"a sign", "GET", answer("Content-Length: +5\r\n", "hello"), false, "bad-content-length\n"},
	{"a minus", "GET", answer("Content-Length: -1\r\n", "hello"), true, "bad-content-length\n"},
	{"hexadecimal", "GET", answer("Content-Length: 0x5\r\n", "hello"), false, "bad-content-length\n"},
	{"nothing", "GET", answer("Content-Length:\r\n", ""), false, "bad-content-length\n"},
	{"wrapping round", "GET", answer("Content-Length: 18446744073709551621\r\n", "hello"), false, "bad-content-length\n"},
	{"a length over the limit", "GET", answer("Content-Length: 65537\r\n", ""), false, "body-too-large\n"},
	{"a body cut short", "GET", answer("Content-Length: 5\r\n", "hell"), true, "200cut-short\n"},

	// Transfer-Encoding, RFC 9112 6.1 and 6.3.
	{"both framings", "GET", answer("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), false, "ambiguous-framing\n"},
	{"both framings to HEAD", "HEAD", answer("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", ""), false, "ambiguous-framing\n"},
	{"in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true, "bad-transfer-encoding\n"},
	{"any case", "GET", answer("TRANSFER-ENCODING:\tChunked \r\n", "0\r\n\r\n"), false, "200 \"\"\nreusable\n"},
	{"twice", "GET", answer("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), false, "bad-transfer-encoding\n"},
	{"not last", "GET", answer("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), true, "bad-transfer-encoding\n"},
	{"a coding that we did not ask for", "GET", answer("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), false, "unknown-transfer-coding\n"},
	{"a coding that nobody knows", "GET", answer("Transfer-Encoding: xchunked\r\n", "hello"), true, "bad-transfer-encoding\n"},
	{"a vertical tab before it", "GET", answer("Transfer-Encoding: \x0bchunked\r\n", "hello"), true, "bad-field\n"},
	{"empty", "GET", answer("Transfer-Encoding:\r\n", "hello"), true, "bad-transfer-encoding\n"},

	// Chunks, RFC 9112 7.1.
	{"chunks", "GET", answerChunks("5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nA: b\r\n\r\n"), false, "200 \"hello world\"\nreusable\n"},
	{"more data than said", "GET", answerChunks("4\r\nhello\r\n0\r\n\r\n"), false, "200bad-chunk\n"},
	{"a size that wraps round", "GET", answerChunks("10000000000000005\r\nhello\r\n0\r\n\r\n"), false, "200bad-chunk\n"},
	{"a negative size", "GET", answerChunks("-1\r\nhello\r\n0\r\n\r\n"), false, "200bad-chunk\n"},
	{"a bare LF after a size", "GET", answerChunks("5\nhello\r\n0\r\n\r\n"), false, "200bad-line-ending\n"},
	{"a bare LF in an extension", "GET", answerChunks("5;a\nb\r\nhello\r\n0\r\n\r\n"), false, "200bad-line-ending\n"},
	{"a trailer that is no field", "GET", answerChunks("0\r\nHTTP/1.1 200 OK\r\n\r\n"), false, "200bad-trailer\n"},
	{"cut before the last chunk", "GET", answerChunks("5\r\nhello\r\n"), true, "200cut-short\n"},
	{"cut in the last chunk", "GET", answerChunks("5\r\nhello\r\n0\r\n"), true, "200cut-short\n"},

	// Without a length the body ends with the connection, RFC 9112 6.3.
	{"until the close", "GET", answer("", "hello"), true, "200 \"hello\"\nclosed\n"},
	{"until a close that has not come", "GET", answer("", "hello"), false, "200more\n"},
	{"nothing until the close", "GET", answer("", ""), true, "200 \"\"\nclosed\n"},
	{"what looks like an answer is body", "GET", answer("", answer("Content-Length: 0\r\n", "")), true,
		"200 \"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n\"\nclosed\n"},
	{"until the close, of the limit", "GET", answer("", strings.Repeat("x", 1<<16)), true, "200 \"" + strings.Repeat("x", 1<<16) + "\"\nclosed\n"},
	{"and one byte more", "GET", answer("", strings.Repeat("x", 1<<16+1)), true, "200body-too-large\n"},

	// Responses without a body, RFC 9112 6.3.
	{"HEAD", "HEAD", answer("Content-Length: 5\r\n", ""), false, "200 \"\"\nreusable\n"},
	{"HEAD, chunked", "HEAD", answer("Transfer-Encoding: chunked\r\n", ""), false, "200 \"\"\nreusable\n"},
	{"HEAD without a length", "HEAD", answer("", ""), false, "200 \"\"\nreusable\n"},
	{"HEAD with a body all the same", "HEAD", answer("Content-Length: 5\r\n", "hello"), false, "200 \"\"\nunasked-answer\n"},
	{"204 whatever it says", "GET", "HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n", false, "204 \"\"\nreusable\n"},
	{"204 with a body all the same", "GET", "HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\nhello", false, "204 \"\"\nunasked-answer\n"},
	{"304 without a length", "GET", "HTTP/1.1 304 \r\n\r\n", false, "304 \"\"\nreusable\n"},
	{"304 with the length of a 200", "GET", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", false, "304 \"\"\nreusable\n"},
	{"205 has a body if it says so", "GET", "HTTP/1.1 205 \r\nContent-Length: 2\r\n\r\nhi", false, "205 \"hi\"\nreusable\n"},

	// Interim answers, RFC 9110 15.2.
	{"one", "GET", "HTTP/1.1 100 \r\n\r\n" + answer("Content-Length: 0\r\n", ""), false, "100\n200 \"\"\nreusable\n"},
	{"several", "GET", "HTTP/1.1 103 \r\nLink: a\r\n\r\nHTTP/1.1 103 \r\n\r\n" + answer("Content-Length: 2\r\n", "hi"), false, "103\n103\n200 \"hi\"\nreusable\n"},
	{"one that says it has a body", "GET", "HTTP/1.1 103 \r\nContent-Length: 2\r\n\r\n" + answer("Content-Length: 2\r\n", "hi"), false, "103\n200 \"hi\"\nreusable\n"},
	{"one with a body all the same", "GET", "HTTP/1.1 103 \r\nContent-Length: 2\r\n\r\nhi" + answer("", ""), false, "103\nbad-status-line\n"},
	{"one to HEAD", "HEAD", "HTTP/1.1 100 \r\n\r\n" + answer("Content-Length: 5\r\n", ""), false, "100\n200 \"\"\nreusable\n"},
	{"an empty line behind one", "GET", "HTTP/1.1 100 \r\n\r\n\r\n" + answer("", ""), false, "100\nbad-status-line\n"},
	{"nothing behind one", "GET", "HTTP/1.1 100 \r\n\r\n", true, "100\ncut-short\n"},
	{"more heads than the buffer holds", "GET", strings.Repeat("HTTP/1.1 103 \r\n"+big(900)+"\r\n", 20) + answer("Content-Length: 0\r\n", ""), false, strings.Repeat("103\n", 20) + "200 \"\"\nreusable\n"},

	// Another protocol, RFC 9110 7.8 and 9.3.6.
	{"a switch", "GET", "HTTP/1.1 101 \r\nUpgrade: a\r\n\r\n", false, "101 \"\"\nclosed\n"},
	{"a tunnel", "CONNECT", answer("Content-Length: 5\r\n", ""), false, "200 \"\"\nclosed\n"},
	{"a tunnel that is refused", "CONNECT", "HTTP/1.1 403 \r\nContent-Length: 2\r\n\r\nno", false, "403 \"no\"\nreusable\n"},

	// The connection, RFC 9112 9.
	{"the end before anything", "GET", "", true, "closed\n"},
	{"the end after a CR", "GET", "\r", true, "cut-short\n"},
	{"the end in a status line", "GET", "HTTP/1.1 20", true, "cut-short\n"},
	{"the end in the fields", "GET", "HTTP/1.1 200 OK\r\nContent-", true, "cut-short\n"},
	{"the end after an answer", "GET", answer("Content-Length: 0\r\n", ""), true, "200 \"\"\nclosed\n"},
	{"a close that is announced", "GET", answer("Connection: Close\r\nContent-Length: 0\r\n", ""), false, "200 \"\"\nmore\n"},
	{"a close in a list", "GET", answer("Connection: a, close\r\nContent-Length: 0\r\n", ""), false, "200 \"\"\nmore\n"},
	{"HTTP/1.0 closes", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 \"\"\nmore\n"},
	{"unless it says otherwise", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", false, "200 \"\"\nreusable\n"},
	{"a second answer", "GET", answer("Content-Length: 0\r\n", answer("Content-Length: 0\r\n", "")), false, "200 \"\"\nunasked-answer\n"},
	{"a line end behind an answer", "GET", answer("Content-Length: 0\r\n", "\r\n"), false, "200 \"\"\nunasked-answer\n"},
	{"more than the length says", "GET", answer("Content-Length: 5\r\n", "hello!"), false, "200 \"hello\"\nunasked-answer\n"},
	{"more than the last chunk", "GET", answerChunks("0\r\n\r\n0\r\n\r\n"), false, "200 \"\"\nunasked-answer\n"},
}

func TestAnswersAreUnderstoodOrRefused(t *testing.T) {
	for i, tt := range answers {
		for _, cut := range allCuts(uint64(i)) {
			t.Run(tt.name+"/"+cut.name, func(t *testing.T) {
				c := newTestClient(&testLimits)
				request(c, tt.method)
				require.Equal(t, tt.want, listen(c, []byte(tt.in), cut.next, tt.eof))
			})
			t.Run(tt.name+"/"+cut.name+"/its body past us", func(t *testing.T) {
				c := newTestClient(&testLimits)
				request(c, tt.method)
				require.Equal(t, tt.want, listenBy(c, []byte(tt.in), cut.next, tt.eof, true))
			})
		}
	}
}

func TestRequestsAreFramed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		length  int64
		body    string
		closing bool
		want    string
	}{
		{"no body", NoBody, "", false, "POST /a?b HTTP/1.1\r\nHost: h\r\n\r\n"},
		{"an empty body", 0, "", false, "POST /a?b HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\n\r\n"},
		{"a known length", 5, "hello", false, "POST /a?b HTTP/1.1\r\nContent-Length: 5\r\nHost: h\r\n\r\nhello"},
		{"an unknown length", UnknownLength, "hello", false, "POST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"the last request", NoBody, "", true, "POST /a?b HTTP/1.1\r\nConnection: close\r\nHost: h\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestClient(&testLimits)
			if tt.closing {
				c.SetClosing()
			}
			h := c.Begin([]byte("POST"), []byte("/a?b"), tt.length)
			h.Field("Host", "h")
			h.End()
			c.Write([]byte(tt.body))
			require.False(t, c.Sent())
			c.Finish()
			require.True(t, c.Sent())
			require.Equal(t, tt.want, sentAll(c))
			require.Equal(t, "200 \"\"\n"+map[bool]string{true: "more\n", false: "reusable\n"}[tt.closing],
				listen(c, []byte(answer("Content-Length: 0\r\n", "")), func(int) int { return 1 }, false))
		})
	}
}

func TestARequestThatBreaksItsOwnFramingIsAFaultOfOurs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length int64
		play   func(c *Client)
	}{
		{"a body where none was announced", NoBody, func(c *Client) { c.Write([]byte("a")) }},
		{"a body that is too long", 1, func(c *Client) { c.Write([]byte("ab")) }},
		{"a body that is too short", 1, func(c *Client) { c.Finish() }},
		{"a second request before the first is sent", 1, func(c *Client) { c.Begin(nil, nil, NoBody) }},
		{"a second request before the first is answered", NoBody, func(c *Client) { c.Finish(); c.Begin(nil, nil, NoBody) }},
		{"a second request after breaking off", 1, func(c *Client) { c.Break(); c.Begin(nil, nil, NoBody) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestClient(&testLimits)
			c.Begin([]byte("POST"), []byte("/"), tt.length).End()
			require.Panics(t, func() { tt.play(c) })
		})
	}
}

// A connection serves one request after the other, whatever the answers were.
func TestAConnectionIsUsedAgain(t *testing.T) {
	c := newTestClient(&testLimits)
	for _, tt := range []struct{ method, in, want string }{
		{"GET", answer("Content-Length: 5\r\n", "hello"), "200 \"hello\"\nreusable\n"},
		{"HEAD", answer("Content-Length: 5\r\n", ""), "200 \"\"\nreusable\n"},
		{"GET", answerChunks("5\r\nhello\r\n0\r\n\r\n"), "200 \"hello\"\nreusable\n"},
		{"GET", "HTTP/1.1 103 \r\n\r\nHTTP/1.1 304 \r\n\r\n", "103\n304 \"\"\nreusable\n"},
		{"CONNECT", "HTTP/1.1 405 \r\nContent-Length: 0\r\n\r\n", "405 \"\"\nreusable\n"},
		{"GET", answer("Content-Length: 65536\r\n", strings.Repeat("x", 1<<16)), "200 \"" + strings.Repeat("x", 1<<16) + "\"\nreusable\n"},
		{"GET", answer("Connection: close\r\n", "last"), "200 \"last\"\nclosed\n"},
	} {
		request(c, tt.method)
		require.Equal(t, tt.want, listen(c, []byte(tt.in), func(left int) int { return min(left, 700) }, strings.HasSuffix(tt.want, "closed\n")))
	}
}

// An answer that comes before its request is complete is as good as any, but the connection is
// used up unless the request is completed after all.
func TestAnAnswerMayComeEarly(t *testing.T) {
	for _, in := range []string{"HTTP/1.1 413 \r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 413 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"} {
		c := newTestClient(&testLimits)
		c.Begin([]byte("POST"), []byte("/"), 10).End()
		c.Write([]byte("hello"))
		c.Received(copy(c.Recv(), in))
		require.Equal(t, HasResponse, c.Next())
		require.Equal(t, End, c.Next())
		require.Equal(t, NeedData, c.Next())
		require.False(t, c.Reusable())
		c.Write([]byte("world"))
		c.Finish()
		require.False(t, c.Reusable(), "it is not on its way yet")
		c.Out().Ack(c.Out().Len())
		require.Equal(t, !strings.Contains(in, "close"), c.Reusable())
	}
}

// Bytes that were there before the request are nobody's answer, least of all its.
func TestWhatCameBeforeTheRequestIsNotItsAnswer(t *testing.T) {
	in := answer("Content-Length: 0\r\n", "")
	t.Run("on a new connection", func(t *testing.T) {
		c := newTestClient(&testLimits)
		require.Equal(t, NeedData, c.Next())
		c.Received(copy(c.Recv(), in))
		require.Equal(t, Error, c.Next())
		require.Equal(t, "unasked-answer", c.Fault().Reason.String())
		require.Equal(t, Error, c.Next())
	})
	t.Run("unseen until the next request begins", func(t *testing.T) {
		c := newTestClient(&testLimits)
		request(c, "GET")
		require.Equal(t, "200 \"\"\nreusable\n", listen(c, []byte(in), func(left int) int { return left }, false))
		c.Received(copy(c.Recv(), in))
		require.False(t, c.Reusable())
		request(c, "GET")
		require.Equal(t, Error, c.Next())
		require.Equal(t, "unasked-answer", c.Fault().Reason.String())
	})
	t.Run("an end that was unseen until then", func(t *testing.T) {
		c := newTestClient(&testLimits)
		request(c, "GET")
		require.Equal(t, "200 \"\"\nreusable\n", listen(c, []byte(in), func(left int) int { return left }, false))
		c.EOF()
		require.False(t, c.Reusable())
		request(c, "GET")
		require.Equal(t, Closed, c.Next(), "nothing of an answer came")
	})
}

func TestWhatFollowsASwitchIsKeptForTheTunnel(t *testing.T) {
	for _, cut := range allCuts(3) {
		c := newTestClient(&testLimits)
		request(c, "GET")
		in := []byte("HTTP/1.1 101 \r\nUpgrade: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
		for len(in) > 0 {
			n := copy(c.Recv()[:cut.next(len(in))], in)
			c.Received(n)
			in = in[n:]
			for c.Next() != NeedData && c.rx != rxDone {
			}
		}
		require.Equal(t, Closed, c.Next(), cut.name)
		require.Equal(t, "HTTP/1.1 200 OK\r\n\r\n", string(c.Rest()), cut.name)
		require.False(t, c.Reusable())
	}
}

func TestAResponseHasItsParts(t *testing.T) {
	for _, tt := range []struct {
		name, method, in string
		status           int
		body, bodyless   bool
		untilClose       bool
		length           int64
	}{
		{"a length", "GET", answer("Content-Length: 5\r\n", ""), 200, true, false, false, 5},
		{"an empty body", "GET", answer("Content-Length: 0\r\n", ""), 200, false, false, false, 0},
		{"chunks", "GET", answerChunks(""), 200, true, false, false, UnknownLength},
		{"until the close", "GET", answer("", ""), 200, true, false, true, UnknownLength},
		{"HEAD", "HEAD", answer("Content-Length: 5\r\n", ""), 200, false, true, false, 5},
		{"HEAD without a length", "HEAD", answer("", ""), 200, false, true, false, UnknownLength},
		{"304", "GET", "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", 304, false, true, false, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestClient(&testLimits)
			request(c, tt.method)
			c.Received(copy(c.Recv(), tt.in))
			require.Equal(t, HasResponse, c.Next())
			r := c.Response()
			require.Equal(t, tt.status, r.Status)
			require.Equal(t, tt.body, r.HasBody())
			require.Equal(t, tt.bodyless, r.Bodyless)
			require.Equal(t, tt.untilClose, r.UntilClose)
			require.Equal(t, tt.length, r.BodyLength())
		})
	}
}

func TestARequestsBodyLengthIsWhatBeginTakes(t *testing.T) {
	for fields, want := range map[string]int64{
		"": NoBody, "Content-Length: 0\r\n": 0, "Content-Length: 5\r\n": 5, "Transfer-Encoding: chunked\r\n": UnknownLength,
	} {
		c := newTestConn(&testConfig)
		ask(t, c, "POST / HTTP/1.1\r\n"+fields+"\r\n")
		require.Equal(t, want, c.Request().BodyLength(), fields)
	}
}

func TestThePeerNamesItsTimeOut(t *testing.T) {
	for _, tt := range []struct {
		fields  string
		seconds int
		ok      bool
	}{
		{"", 0, false},
		{"Keep-Alive: timeout=5, max=100\r\n", 5, true},
		{"keep-alive: max=100 ,\tTimeout=0\r\n", 0, true},
		{"Keep-Alive: timeout=9, timeout=7\r\nKeep-Alive: timeout=8\r\n", 7, true},
		{"Keep-Alive: timeout=9999999999\r\n", maxKeepAlive, true},
		{"Keep-Alive: timeout=-1\r\n", 0, false},
		{"Keep-Alive: timeout=\r\n", 0, false},
		{"Keep-Alive: timeout\r\n", 0, false},
		{"Keep-Alive: 5\r\n", 0, false},
	} {
		c := newTestClient(&testLimits)
		request(c, "GET")
		c.Received(copy(c.Recv(), answer(tt.fields, "")))
		require.Equal(t, HasResponse, c.Next())
		seconds, ok := c.KeepAlive()
		require.Equal(t, tt.ok, ok, tt.fields)
		if ok {
			require.Equal(t, tt.seconds, seconds, tt.fields)
		}
	}
}

// However long bodies are, and wherever in the buffer one ends, there is room for what follows.
func TestABodyMayEndWhereTheBufferEnds(t *testing.T) {
	room := testLimits.BufferSize()
	for n := room - 60; n <= room; n++ {
		c := newTestClient(&testLimits)
		request(c, "GET")
		in := answer(fmt.Sprintf("Content-Length: %d\r\n", n), strings.Repeat("x", n))
		require.True(t, strings.HasSuffix(listen(c, []byte(in), func(left int) int { return left }, false), "\nreusable\n"))
		require.NotEmpty(t, c.Recv())
		require.Equal(t, 200, c.Response().Status)
		require.Equal(t, fmt.Sprint(n), string(c.Response().Get(ContentLength)), "the head stays where it is")
	}
}

func TestGivingUpAClientReturnsItsMemory(t *testing.T) {
	pool := bufpool.New(chain.ChunkSize, 8)
	c := NewClient(&testLimits, pool)
	c.Open()
	c.Begin([]byte("POST"), []byte("/"), UnknownLength).End()
	f := &chaintest.Counted{Refs: 1}
	c.WriteFile(f, 0, 10)
	c.Shut()
	require.Zero(t, f.Refs)
	require.Zero(t, pool.Out())
	require.Equal(t, Closed, c.Next())
	c.Open()
	request(c, "GET")
	require.Equal(t, "200 \"\"\nreusable\n", listen(c, []byte(answer("Content-Length: 0\r\n", "")), func(int) int { return 1 }, false))
}

func TestWhatWeSendIsOneRequestToNetHTTP(t *testing.T) {
	c := newTestClient(&testLimits)
	h := c.Begin([]byte("PUT"), []byte("/a%20b?c"), UnknownLength)
	h.Field("Host", "h")
	h.Raw([]byte("X: 1\r\nX: 2\r\n"))
	h.End()
	c.WriteFile(&chaintest.Counted{Refs: 1}, 0, 3000)
	c.Write([]byte("end"))
	c.Finish()
	r := bufio.NewReader(strings.NewReader(sentAll(c)))
	req, err := http.ReadRequest(r)
	require.NoError(t, err)
	body, err := io.ReadAll(req.Body)
	require.NoError(t, err)
	require.Equal(t, string(chaintest.Content(0, 3000))+"end", string(body))
	require.Equal(t, []string{"1", "2"}, req.Header["X"])
	require.Equal(t, "/a%20b?c", req.RequestURI)
	_, err = r.ReadByte()
	require.Equal(t, io.EOF, err)
}

func TestACommonExchangeOfAClientAllocatesNothing(t *testing.T) {
	c := newTestClient(&ResponseLimits)
	in := answer("Content-Length: 5\r\nKeep-Alive: timeout=5\r\n", "hello")
	get, slash := []byte("GET"), []byte("/")
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		h := c.Begin(get, slash, NoBody)
		h.Field("Host", "localhost")
		h.End()
		c.Finish()
		c.Out().Ack(c.Out().Len())
		c.Received(copy(c.Recv(), in))
		for c.Next() != End {
		}
		if _, ok := c.KeepAlive(); !ok || !c.Reusable() {
			t.Fatal("not used again")
		}
	}))
}

func BenchmarkClient(b *testing.B) {
	c := newTestClient(&ResponseLimits)
	in := answer("Server: a\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/html\r\nContent-Length: 5\r\n", "hello")
	get, slash := []byte("GET"), []byte("/")
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		c.Begin(get, slash, NoBody).End()
		c.Finish()
		c.Out().Ack(c.Out().Len())
		c.Received(copy(c.Recv(), in))
		for c.Next() != End {
		}
	}
}
