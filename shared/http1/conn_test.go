package http1

// Conversations: what is sent, cut in every way, and the events that come of it. Each row is played
// whole, byte by byte and in random cuts, and must give the same each time.

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/clock"
)

var testConfig = Config{
	Limits:    Limits{RequestLine: 512, Head: 1024, Fields: 16, Body: 1 << 16, Requests: 100},
	KeepAlive: 30,
}

func newTestConn(cfg *Config) *Conn { return newConnOn(cfg, bufpool.New(chain.ChunkSize, 8)) }

func newConnOn(cfg *Config, pool *bufpool.Pool) *Conn {
	var clk clock.Clock
	clk.Set(0, 784111777e9)
	c := NewConn(cfg, &clk, pool)
	c.Open(0)
	return c
}

// cuts says how an input is cut into reads.
type cuts struct {
	name string
	next func(left int) int
}

func allCuts(seed uint64) []cuts {
	r := rand.New(rand.NewPCG(seed, 1))
	return []cuts{
		{"whole", func(left int) int { return left }},
		{"byte by byte", func(int) int { return 1 }},
		{"at random", func(left int) int { return 1 + r.IntN(left) }},
	}
}

// converse feeds the input, answers each request with 200, and writes down what
// happened: one line for each message, with its body, and the fault that ended it.
func converse(c *Conn, in []byte, cut func(int) int, eof bool) string {
	var log strings.Builder
	var body []byte
	for {
		switch ev := c.Next(); ev {
		case HasRequest:
			r := c.Request()
			fmt.Fprintf(&log, "%s %s", r.MethodName, r.Target)
			c.Continue()
			body = nil
		case HasBody:
			body = append(body, c.Body()...)
		case End:
			fmt.Fprintf(&log, " %q\n", body)
			c.Begin(200, 0).End()
			c.Finish()
			c.Out().Ack(c.Out().Len())
		case Error:
			fmt.Fprintf(&log, "%d %v\n", c.Fault().Status, c.Fault().Reason)
			return log.String()
		case Closed:
			log.WriteString("closed\n")
			return log.String()
		case NeedData:
			if len(in) == 0 {
				if eof {
					c.EOF()
					eof = false
					continue
				}
				log.WriteString("more\n")
				return log.String()
			}
			free := c.Recv()
			if len(free) == 0 {
				panic("no room after NeedData")
			}
			n := copy(free[:min(len(free), cut(len(in)))], in)
			c.Received(n)
			in = in[n:]
		}
	}
}

// big is a field line of n bytes, CR LF included.
func big(n int) string { return "X: " + strings.Repeat("v", n-5) + "\r\n" }

// sized is a request whose head has n bytes.
func sized(n int) string {
	head := "GET / HTTP/1.1\r\n"
	for n-len(head)-2 > 200 {
		head += big(100)
	}
	return head + big(n-len(head)-2) + "\r\n"
}

func line(n int) string {
	return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1\r\n\r\n"
}

var conversations = []struct {
	name, in, want string
}{
	// Request line, RFC 9112 3.
	{"the smallest request", "GET / HTTP/1.1\r\n\r\n", "GET / \"\"\nmore\n"},
	{"empty lines before it are skipped", "\r\n\r\nGET / HTTP/1.1\r\n\r\n", "GET / \"\"\nmore\n"},
	{"an endless run of them is not", strings.Repeat("\r\n", 5), "400 bad-request-line\n"},
	{"a lone CR is not an empty line", "\rGET / HTTP/1.1\r\n\r\n", "400 bad-line-ending\n"},
	{"a lone LF is not an empty line", "\nGET / HTTP/1.1\r\n\r\n", "400 bad-line-ending\n"},
	{"a bare LF ends no line", "GET / HTTP/1.1\n\r\n", "400 bad-line-ending\n"},
	{"a bare CR inside the line", "GET /\ra HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"two spaces", "GET  / HTTP/1.1\r\n\r\n", "400 bad-request-line\n"},
	{"a tab for a space", "GET\t/ HTTP/1.1\r\n\r\n", "400 bad-request-line\n"},
	{"a space at the end", "GET / HTTP/1.1 \r\n\r\n", "400 bad-version\n"},
	{"a space at the beginning", " GET / HTTP/1.1\r\n\r\n", "400 bad-request-line\n"},
	{"no version", "GET /\r\n\r\n", "400 bad-request-line\n"},
	{"no target", "GET HTTP/1.1\r\n\r\n", "400 bad-request-line\n"},
	{"a method that is no token", "G(T / HTTP/1.1\r\n\r\n", "400 bad-request-line\n"},
	{"an unknown method is well formed", "BREW / HTTP/1.1\r\n\r\n", "BREW / \"\"\nmore\n"},
	{"a TLS hello", "\x16\x03\x01\x02\x00", "400 tls-on-plain-port\n"},
	{"a TLS hello behind a request", "GET / HTTP/1.1\r\n\r\n\x16\x03\x01\x02\x00", "GET / \"\"\n400 bad-request-line\n"},
	{"a TLS hello behind an empty line", "\r\n\x16\x03\x01\x02\x00", "400 bad-request-line\n"},
	{"a TLS hello behind a malformed line", "00\r\n\x16", "400 bad-request-line\n"},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 unsupported-version\n"},

	// Version, RFC 9112 2.3.
	{"lower case", "GET / http/1.1\r\n\r\n", "400 bad-version\n"},
	{"two digits", "GET / HTTP/1.10\r\n\r\n", "400 bad-version\n"},
	{"no minor", "GET / HTTP/1\r\n\r\n", "400 bad-version\n"},
	{"a later minor version is 1.1", "GET / HTTP/1.2\r\n\r\n", "GET / \"\"\nmore\n"},
	{"another major version", "GET / HTTP/2.0\r\n\r\n", "505 unsupported-version\n"},

	// Target, RFC 9112 3.2.
	{"absolute form", "GET http://h/p?q HTTP/1.1\r\n\r\n", "GET http://h/p?q \"\"\nmore\n"},
	{"absolute form, empty authority", "GET http:///p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"absolute form, user information", "GET http://me@h/p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"absolute form, a port alone", "GET http://:80/p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"absolute form, a port that is no number", "GET http://h:x/p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"a percent sign without its digits", "GET /a%2 HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"another scheme", "GET ftp://h/p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"a relative path", "GET p HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"the asterisk is for OPTIONS", "OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS * \"\"\nmore\n"},
	{"and for nothing else", "GET * HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"the authority is for CONNECT", "CONNECT h:1 HTTP/1.1\r\n\r\n", "CONNECT h:1 \"\"\nmore\n"},
	{"and for nothing else", "GET h:1 HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"a fragment", "GET /#f HTTP/1.1\r\n\r\n", "400 bad-target\n"},
	{"a byte above ASCII", "GET /\xc3\xa4 HTTP/1.1\r\n\r\n", "400 bad-target\n"},

	// Limits: the last size that fits and the first that does not.
	{"a request line of the limit", line(512), "GET /" + strings.Repeat("a", 498) + " \"\"\nmore\n"},
	{"and one byte more", line(513), "414 target-too-long\n"},
	{"a line without end", "GET /" + strings.Repeat("a", 600), "414 target-too-long\n"},
	{"a head of the limit", sized(1024), "GET / \"\"\nmore\n"},
	{"and one byte more", sized(1025), "431 head-too-large\n"},
	{"fields of the limit", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 16) + "\r\n", "GET / \"\"\nmore\n"},
	{"and one more", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 17) + "\r\n", "431 too-many-fields\n"},

	// Fields, RFC 9112 5.
	{"white space around a value", "GET / HTTP/1.1\r\nA:\t b \t\r\n\r\n", "GET / \"\"\nmore\n"},
	{"an empty value", "GET / HTTP/1.1\r\nA:\r\n\r\n", "GET / \"\"\nmore\n"},
	{"bytes above ASCII in a value", "GET / HTTP/1.1\r\nA: \xe4\r\n\r\n", "GET / \"\"\nmore\n"},
	{"a space before the colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n", "400 bad-field\n"},
	{"a folded line", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "400 bad-field\n"},
	{"white space before the first field", "GET / HTTP/1.1\r\n A: b\r\n\r\n", "400 bad-field\n"},
	{"no colon", "GET / HTTP/1.1\r\nA\r\n\r\n", "400 bad-field\n"},
	{"no name", "GET / HTTP/1.1\r\n: b\r\n\r\n", "400 bad-field\n"},
	{"NUL in a value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", "400 bad-field\n"},
	{"a bare CR in a value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "400 bad-field\n"},
	{"a bare LF after a field", "GET / HTTP/1.1\r\nA: b\n\r\n", "400 bad-line-ending\n"},

	// Content-Length, RFC 9110 8.6.
	{"a body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "POST / \"hello\"\nmore\n"},
	{"leading zeros are digits", "POST / HTTP/1.1\r\nContent-Length: 005\r\n\r\nhello", "POST / \"hello\"\nmore\n"},
	{"a request that is pipelined after a body", "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n\r\n", "POST / \"hi\"\nGET / \"\"\nmore\n"},
	{"a sign", "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", "400 bad-content-length\n"},
	{"a minus", "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\nhello", "400 bad-content-length\n"},
	{"hexadecimal", "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\nhello", "400 bad-content-length\n"},
	{"an underscore", "POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", "400 bad-content-length\n"},
	{"a blank inside", "POST / HTTP/1.1\r\nContent-Length: 1 0\r\n\r\n", "400 bad-content-length\n"},
	{"nothing", "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", "400 bad-content-length\n"},
	{"64 bits", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n", "400 bad-content-length\n"},
	{"wrapping round", "POST / HTTP/1.1\r\nContent-Length: 18446744073709551621\r\n\r\nhello", "400 bad-content-length\n"},
	{"63 bits, too many for us", "POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n", "413 body-too-large\n"},
	{"two that differ", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "400 bad-content-length\n"},
	{"two that agree", "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400 bad-content-length\n"},
	{"a list", "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\nhello", "400 bad-content-length\n"},
	{"the limit", "POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", "413 body-too-large\n"},

	// Transfer-Encoding, RFC 9112 6.1.
	{"both framings", "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 ambiguous-framing\n"},
	{"in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"any case", "POST / HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "POST / \"\"\nmore\n"},
	{"twice", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"twice on two lines", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"not last", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"an unknown one before it", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501 unknown-transfer-coding\n"},
	{"an unknown one alone", "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"identity", "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"empty", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"an empty element before it", "POST / HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"an empty element after it", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"an empty element of white space", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, \t, chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},
	{"an empty line before it", "POST / HTTP/1.1\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 bad-transfer-encoding\n"},

	// Chunks, RFC 9112 7.1.
	{"chunks", chunked("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), "POST / \"hello world\"\nmore\n"},
	{"hexadecimal sizes in any case", chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "POST / \"01234567890123456789\"\nmore\n"},
	{"extensions are ignored", chunked("5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"), "POST / \"hello\"\nmore\n"},
	{"white space before an extension", chunked("5 ;a\r\nhello\r\n0\r\n\r\n"), "POST / \"hello\"\nmore\n"},
	{"white space wherever it may be", chunked("5 \t; a = b ;c\t=\t\"d\" ; e\r\nhello\r\n0\r\n\r\n"), "POST / \"hello\"\nmore\n"},
	{"all of an extension in quotes", chunked("5;a=\";\\\"\t\\\\=\xe4\"\r\nhello\r\n0;b=\"\"\r\n\r\n"), "POST / \"hello\"\nmore\n"},
	{"an extension without a name", chunked("5;\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension of white space", chunked("5; \r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a second one without a name", chunked("5;a;;b\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a value without a name", chunked("5;=b\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension's name that is no token", chunked("5;a(b\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension's name in quotes", chunked("5;\"a\"\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension's name above ASCII", chunked("5;\xe4\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension without its value", chunked("5;a=\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension's value that is no token", chunked("5;a=b/c\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"two values", chunked("5;a=b c\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"white space after an extension", chunked("5;a=b \r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"text after a quoted value", chunked("5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an open quote", chunked("5;a=\"b\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an open quote that a later line closes", chunked("5;a=\"b\r\nhello\r\n0;c=\"\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an escaped closing quote", chunked("5;a=\"b\\\"\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an escape of nothing", chunked("5;a=\"b\\\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a control character in quotes", chunked("5;a=\"b\x01\"\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a control character escaped in quotes", chunked("5;a=\"b\\\x7f\"\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an open quote after the last chunk's size", chunked("5\r\nhello\r\n0;a=\"\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"white space after a size", chunked("5 \r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"trailers are dropped", chunked("0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n"), "POST / \"\"\nmore\n"},
	{"a trailer that is no field", chunked("0\r\nnothing\r\n\r\n"), "POST /400 bad-trailer\n"},
	{"too many trailers", chunked("0\r\n" + strings.Repeat("A: b\r\n", 17) + "\r\n"), "POST /431 head-too-large\n"},
	{"a size that wraps round", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a size of many zeros", chunked("00000000000000005\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a size with 0x", chunked("0x5\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a size with a sign", chunked("+5\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"no size", chunked("\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"more data than said", chunked("4\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"less data than said", chunked("6\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a bare LF after a size", chunked("5\nhello\r\n0\r\n\r\n"), "POST /400 bad-line-ending\n"},
	{"a bare LF after data", chunked("5\r\nhello\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a bare CR in an extension", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"a size line too long", chunked("5;" + strings.Repeat("a", 300) + "\r\nhello\r\n0\r\n\r\n"), "POST /400 bad-chunk\n"},
	{"an extension of each chunk of a long body", chunked(strings.Repeat("64;"+strings.Repeat("a", 90)+"\r\n"+strings.Repeat("x", 100)+"\r\n", 60) + "0\r\n\r\n"), "POST / \"" + strings.Repeat("x", 6000) + "\"\nmore\n"},
	{"too much in extensions together", chunked(strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 21)), "POST /400 bad-chunk\n"},
	{"over the limit together", chunked(strings.Repeat("4000\r\n"+strings.Repeat("x", 0x4000)+"\r\n", 4) + "1\r\nx\r\n"), "POST /413 body-too-large\n"},

	// Persistence, RFC 9112 9.3.
	{"pipelined", "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 \"\"\nGET /2 \"\"\nmore\n"},
	{"a good one before a bad one", "GET /1 HTTP/1.1\r\n\r\nGET /2\r\n\r\n", "GET /1 \"\"\n400 bad-request-line\n"},
	{"close ends it", "GET /1 HTTP/1.1\r\nConnection: Close\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 \"\"\nclosed\n"},
	{"close in a list", "GET /1 HTTP/1.1\r\nConnection: a, close ,b\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 \"\"\nclosed\n"},
	{"close on the second line", "GET /1 HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 \"\"\nclosed\n"},
	{"close is not closed", "GET /1 HTTP/1.1\r\nConnection: closed\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1 \"\"\nGET /2 \"\"\nmore\n"},
	{"HTTP/1.0 closes", "GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", "GET /1 \"\"\nclosed\n"},
	{"HTTP/1.0 on request does not", "GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n", "GET /1 \"\"\nGET /2 \"\"\nclosed\n"},
}

func chunked(body string) string {
	return "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body
}

func TestConversations(t *testing.T) {
	for i, tt := range conversations {
		for _, cut := range allCuts(uint64(i)) {
			t.Run(tt.name+"/"+cut.name, func(t *testing.T) {
				require.Equal(t, tt.want, converse(newTestConn(&testConfig), []byte(tt.in), cut.next, false))
			})
		}
	}
}

func TestTheEndOfTheStream(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"before anything", "", "closed\n"},
		{"between two requests", "GET / HTTP/1.1\r\n\r\n", "GET / \"\"\nclosed\n"},
		{"after an empty line", "\r\n", "closed\n"},
		{"in a head", "GET / HTTP/1.1\r\n", "400 cut-short\n"},
		{"in a body", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", "POST /400 cut-short\n"},
		{"in a chunk", chunked("5\r\nhel"), "POST /400 cut-short\n"},
		{"before the last chunk", chunked("5\r\nhello\r\n"), "POST /400 cut-short\n"},
		{"in the trailer section", chunked("0\r\n"), "POST /400 cut-short\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			whole := func(left int) int { return left }
			require.Equal(t, tt.want, converse(newTestConn(&testConfig), []byte(tt.in), whole, true))
		})
	}
}

// A body may be far larger than the buffer, which never grows.
func TestALongBodyPassesThroughASmallBuffer(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 4096)
	for _, in := range []string{
		fmt.Sprintf("POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		chunked(strings.Repeat("11\r\n0123456789abcdef0\r\n", 3000) + "0\r\n\r\n"),
	} {
		for _, cut := range allCuts(7) {
			c := newTestConn(&testConfig)
			out := converse(c, []byte(in), cut.next, false)
			require.True(t, strings.HasSuffix(out, "\"\nmore\n"), cut.name)
			require.Len(t, c.buf, testConfig.BufferSize())
		}
	}
}

func TestARequestHasItsParts(t *testing.T) {
	c := newTestConn(&testConfig)
	in := "GET http://h:80/p%20q?a=b?c HTTP/1.1\r\nHost: h\r\nACCEPT: x\r\nX-Other: 1\r\nAccept: y\r\nExpect: 100-Continue\r\n\r\n"
	c.Received(copy(c.Recv(), in))
	require.Equal(t, HasRequest, c.Next())
	r := c.Request()
	require.Equal(t, "h:80", string(r.Authority))
	require.Equal(t, "/p%20q", string(r.Path))
	require.Equal(t, "a=b?c", string(r.Query))
	require.Equal(t, "GET http://h:80/p%20q?a=b?c HTTP/1.1", string(r.Line))
	require.Equal(t, "x", string(r.Get(Accept)))
	require.False(t, r.Has(Range))
	require.Equal(t, Continue100, r.Expects)
	var all []string
	for v := range r.All(Accept) {
		all = append(all, string(v))
	}
	require.Equal(t, []string{"x", "y"}, all)
	require.Len(t, r.Fields, 5)
}

// The answer may come whenever it likes, from somebody else for example. Until it is complete
// nothing of the next request is looked at.
func TestTheNextRequestWaitsForTheAnswer(t *testing.T) {
	c := newTestConn(&testConfig)
	c.Received(copy(c.Recv(), "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"))
	require.Equal(t, HasRequest, c.Next())
	require.Equal(t, End, c.Next())
	require.Equal(t, Unanswered, c.Next())
	c.Begin(200, UnknownLength).End()
	require.Equal(t, Unanswered, c.Next(), "a head is no answer yet")
	c.Write([]byte("later"))
	require.Equal(t, Unanswered, c.Next())
	c.Finish()
	require.Equal(t, HasRequest, c.Next())
	require.Equal(t, "/2", string(c.Request().Path))
}

func BenchmarkRequest(b *testing.B) {
	cfg := testConfig
	cfg.Requests = 0
	for _, bb := range []struct{ name, in string }{
		{"small", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"browser", "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\n\r\n"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c := newTestConn(&cfg)
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.in)))
			for b.Loop() {
				c.Next()
				c.Received(copy(c.Recv(), bb.in))
				c.Next()
				c.Begin(200, 5).End()
				c.Write([]byte("hello"))
				c.Finish()
				c.Next()
				c.Out().Ack(c.Out().Len())
			}
		})
	}
}

func TestACommonRequestAllocatesNothing(t *testing.T) {
	cfg := testConfig
	cfg.Requests = 0
	c := newTestConn(&cfg)
	in := "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n"
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.Next()
		c.Received(copy(c.Recv(), in))
		c.Next()
		h := c.Begin(200, 5)
		h.Field("Content-Type", "text/html")
		h.End()
		c.Write([]byte("hello"))
		c.Finish()
		c.Next()
		c.Out().Ack(c.Out().Len())
	}))
}
