// Package http1test has inputs that have been understood in two ways: by a proxy in one, by a
// server or a client beside it in another. What one side takes for a body is a message to the
// other, and its author is whoever wrote the body (RFC 9112 11.2; response splitting is 11.1).
//
// Each row says what may be understood, by anybody: no reader may find another sequence of messages
// in what is passed on. Most rows were found in servers and proxies of good repute.
package http1test

import "strings"

// Request is what a client sends on one connection.
type Request struct {
	Name string
	In   string
	Want []string // the requests in it, in order: method, target in origin-form, body in quotes
	Bad  bool     // what follows them is refused, and ends the connection
}

// Answer is what a server sends after one request, on a connection that it does not close by itself
// unless End is set.
type Answer struct {
	Name   string
	Method string // of the request
	In     string
	End    bool
	Want   []string // the answers in it, interim ones first: status, and the body in quotes of the final one
	Bad    bool     // what follows them is refused; the connection must not be used again
}

const (
	host     = "Host: localhost\r\n"
	smuggled = "GET /smuggled HTTP/1.1\r\n" + host + "\r\n"
	lastly   = "0\r\n\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
	secret   = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmug!"
)

// post is a request with these fields, and what follows.
func post(fields, rest string) string {
	return "POST /a HTTP/1.1\r\n" + host + fields + "\r\n" + rest
}

// in is a chunked request with these bytes for its body.
func in(body string) string { return post(chunked, body) }

// ok is an answer with these fields, and what follows.
func ok(fields, rest string) string { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n" + rest }

func one(want string) []string { return []string{want} }

// Requests are attacks on what stands behind the reader.
var Requests = []Request{
	// Two framings, RFC 9112 6.3.
	{"a length before chunks", post("Content-Length: 4\r\n"+chunked, "0\r\n\r\n"+smuggled), nil, true},
	{"chunks before a length", post(chunked+"Content-Length: 6\r\n", "0\r\n\r\n"+smuggled), nil, true},
	{"a length of nothing before chunks", post("Content-Length: 0\r\n"+chunked, "20\r\n"+smuggled+lastly), nil, true},
	{"a length beside chunks with a tab", post("Transfer-Encoding: chunked\t\r\nContent-Length: 60\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks and a comma", post("Content-Length: 6\r\nTransfer-Encoding: chunked,\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks in capitals", post("content-length: 6\r\nTRANSFER-ENCODING: CHUNKED\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks on a folded line", post("Content-Length: 6\r\nTransfer-Encoding:\r\n chunked\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks before a colon and a space", post("Content-Length: 6\r\nTransfer-Encoding : chunked\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks before a colon and a tab", post("Content-Length: 6\r\nTransfer-Encoding\t: chunked\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks behind a bare LF", post("Content-Length: 6\r\nX: a\nTransfer-Encoding: chunked\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks behind a bare CR", post("Content-Length: 6\r\nX: a\rTransfer-Encoding: chunked\r\n", lastly+smuggled), nil, true},
	{"a length beside chunks behind white space", post("Content-Length: 6\r\n Transfer-Encoding: chunked\r\n", lastly+smuggled), nil, true},
	{"white space before the first field", "POST /a HTTP/1.1\r\n Transfer-Encoding: chunked\r\n" + host + "Content-Length: 6\r\n\r\n" + lastly + smuggled, nil, true},

	// Transfer-Encoding alone, RFC 9112 6.1.
	{"chunks and another coding", post("Transfer-Encoding: chunked, gzip\r\n", lastly+smuggled), nil, true},
	{"another coding and chunks", post("Transfer-Encoding: gzip, chunked\r\n", lastly+smuggled), nil, true},
	{"chunks twice", post("Transfer-Encoding: chunked, chunked\r\n", lastly+smuggled), nil, true},
	{"chunks on two lines", post(chunked+chunked, lastly+smuggled), nil, true},
	{"chunks and identity on two lines", post(chunked+"Transfer-Encoding: identity\r\n", lastly+smuggled), nil, true},
	{"a coding that begins like chunks", post("Transfer-Encoding: chunkedx\r\n", lastly+smuggled), nil, true},
	{"a coding that ends like chunks", post("Transfer-Encoding: xchunked\r\n", lastly+smuggled), nil, true},
	{"chunks in quotes", post("Transfer-Encoding: \"chunked\"\r\n", lastly+smuggled), nil, true},
	{"chunks with a parameter", post("Transfer-Encoding: chunked;a=b\r\n", lastly+smuggled), nil, true},
	{"chunks behind a vertical tab", post("Transfer-Encoding: \x0bchunked\r\n", lastly+smuggled), nil, true},
	{"chunks behind a NUL", post("Transfer-Encoding: \x00chunked\r\n", lastly+smuggled), nil, true},
	{"chunks before a byte above ASCII", post("Transfer-Encoding: chunked\xa0\r\n", lastly+smuggled), nil, true},
	{"no coding", post("Transfer-Encoding:\r\n", lastly+smuggled), nil, true},
	{"chunks in HTTP/1.0", "POST /a HTTP/1.0\r\n" + host + chunked + "\r\n" + lastly + smuggled, nil, true},
	{"a name with an underscore frames nothing", post("Transfer_Encoding: chunked\r\n", lastly+smuggled), one(`POST /a ""`), true},
	{"nor does a length with an underscore", post("Content_Length: 43\r\n", smuggled), []string{`POST /a ""`, `GET /smuggled ""`}, false},
	{"Connection names the coding", post(chunked+"Connection: transfer-encoding\r\n", "2\r\nhi\r\n"+lastly), one(`POST /a "hi"`), false},
	{"Connection names the length", post("Content-Length: 2\r\nConnection: content-length\r\n", "hi"), one(`POST /a "hi"`), false},

	// Content-Length, RFC 9110 8.6.
	{"two lengths", post("Content-Length: 0\r\nContent-Length: 43\r\n", smuggled), nil, true},
	{"two lengths that agree", post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"+smuggled), nil, true},
	{"a list of lengths", post("Content-Length: 2, 2\r\n", "hi"+smuggled), nil, true},
	{"a sign", post("Content-Length: +2\r\n", "hi"+smuggled), nil, true},
	{"minus nothing", post("Content-Length: -0\r\n", smuggled), nil, true},
	{"hexadecimal", post("Content-Length: 0x2\r\n", "hi"+smuggled), nil, true},
	{"an underscore between digits", post("Content-Length: 1_0\r\n", "0123456789"+smuggled), nil, true},
	{"a fraction", post("Content-Length: 2.0\r\n", "hi"+smuggled), nil, true},
	{"an exponent", post("Content-Length: 2e0\r\n", "hi"+smuggled), nil, true},
	{"digits of another alphabet", post("Content-Length: \xef\xbc\x92\r\n", "hi"+smuggled), nil, true},
	{"a blank between digits", post("Content-Length: 1 0\r\n", "0123456789"+smuggled), nil, true},
	{"a form feed behind it", post("Content-Length: 2\x0c\r\n", "hi"+smuggled), nil, true},
	{"64 bits and a little more", post("Content-Length: 18446744073709551618\r\n", "hi"+smuggled), nil, true},
	{"no length", post("Content-Length: \r\n", smuggled), nil, true},
	{"a NUL in the name", post("Content-Length\x00: 2\r\n", "hi"+smuggled), nil, true},
	{"a length on a folded line", post("Content-Length:\r\n\t2\r\n", "hi"+smuggled), nil, true},
	{"leading zeros are no octal number", post("Content-Length: 010\r\n", "0123456789"), one(`POST /a "0123456789"`), false},

	{"a length in quotes", post("Content-Length: \"2\"\r\n", "hi"+smuggled), nil, true},
	{"a length with a hyphen of another alphabet is none", post("Content\xe2\x80\x90Length: 43\r\n", smuggled), nil, true},
	{"a length behind a byte order mark", "POST /a HTTP/1.1\r\n\xef\xbb\xbfContent-Length: 43\r\n" + host + "\r\n" + smuggled, nil, true},
	{"a length behind an empty name", post(": x\r\nContent-Length: 2\r\n", "hi"), nil, true},
	{"a length of many zeros", post("Content-Length: 000000000000000000000000000002\r\n", "hi"), one(`POST /a "hi"`), false},
	{"a trailer that nobody asked for, and is a length", post(chunked+"Trailer: X-Length\r\nTE: trailers, chunked\r\n", "0\r\nContent-Length: 43\r\n\r\n"+smuggled), []string{`POST /a ""`, `GET /smuggled ""`}, false},
	{"Connection names the host and who asks", post("Connection: host, via, x-forwarded-for, close\r\nContent-Length: 2\r\n", "hi"), one(`POST /a "hi"`), false},

	// A body that nobody expects is a body all the same, RFC 9112 6.
	{"the body of a GET", "GET /a HTTP/1.1\r\n" + host + "Content-Length: 43\r\n\r\n" + smuggled, one(quoted("GET /a ", smuggled)), false},
	{"the body of a HEAD", "HEAD /a HTTP/1.1\r\n" + host + "Content-Length: 43\r\n\r\n" + smuggled, one(quoted("HEAD /a ", smuggled)), false},
	{"the body of a DELETE, in chunks", "DELETE /a HTTP/1.1\r\n" + host + chunked + "\r\n2b\r\n" + smuggled + "\r\n" + lastly, one(quoted("DELETE /a ", smuggled)), false},
	{"a body that holds the end of another one", post(chunked, "30\r\n"+lastly+smuggled+"\r\n"+lastly), one(quoted("POST /a ", lastly+smuggled)), false},
	{"no length is no body", post("", smuggled), []string{`POST /a ""`, `GET /smuggled ""`}, false},

	// Chunks, RFC 9112 7.1.
	{"a size with other bytes behind it", in("1these-bytes-are-no-size\r\nZ\r\n" + lastly), nil, true},
	{"a size with 0x", in("0x2\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size with a sign", in("+2\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a negative size", in("-2\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size with an underscore", in("0_2\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size behind a space", in(" 2\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size before a space", in("2 \r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size of 64 bits and a little more", in("10000000000000002\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size of many digits", in("00000000000000002\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"no size at all", in("\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"an extension without a size", in(";a\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size that ends with a bare LF", in("2\nhi\r\n" + lastly + smuggled), nil, true},
	{"a size that ends with a bare CR", in("2\rhi\r\n" + lastly + smuggled), nil, true},
	{"a size that ends with two CRs", in("2\r\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"a bare LF in an extension", in("2;\nxx\r\n4c\r\n0\r\n\r\n" + smuggled), nil, true},
	{"a bare CR in an extension", in("2;a\rb\r\nhi\r\n" + lastly + smuggled), nil, true},
	{"an open quote in an extension", in("2;a=\"\r\nhi\r\n0;b=\"\r\n\r\n" + smuggled), nil, true},
	{"data that ends with a bare LF", in("2\r\nhi\n" + lastly + smuggled), nil, true},
	{"data that ends with a bare CR", in("2\r\nhi\r0\r\n\r\n" + smuggled), nil, true},
	{"data that ends with two other bytes", in("5\r\nhelloXX0\r\n\r\n" + smuggled), nil, true},
	{"data that ends with nothing", in("2\r\nhi0\r\n\r\n" + smuggled), nil, true},
	{"more data than the size says", in("2\r\nhi!\r\n" + lastly + smuggled), nil, true},
	{"a last size that ends with a bare LF", in("0\n\r\n" + smuggled), nil, true},
	{"a trailer section that ends with a bare LF", in("0\r\n\n" + smuggled), nil, true},
	{"a trailer section that ends with a bare CR", in("0\r\n\r" + smuggled), nil, true},
	{"a request for a trailer", in("0\r\n" + smuggled), nil, true},
	{"a folded trailer", in("0\r\nA: b\r\n c\r\n\r\n" + smuggled), nil, true},
	{"trailers that would frame or name the host", in("2\r\nhi\r\n0\r\nContent-Length: 43\r\nTransfer-Encoding: chunked\r\nHost: evil\r\n\r\n"), one(`POST /a "hi"`), false},
	{"a size of zeros is the last", in("2\r\nhi\r\n000\r\n\r\n"), one(`POST /a "hi"`), false},
	{"an extension that looks like a size", in("2;0\r\nhi\r\n" + lastly), one(`POST /a "hi"`), false},

	// The request line, RFC 9112 3.
	{"no version", "GET /a\r\n" + host + "\r\n" + smuggled, nil, true},
	{"a version in lower case", "GET /a http/1.1\r\n" + host + "\r\n", nil, true},
	{"two versions", "GET /a HTTP/1.1 HTTP/1.1\r\n" + host + "\r\n", nil, true},
	{"a version of two digits", "GET /a HTTP/1.10\r\n" + host + "\r\n", nil, true},
	{"a line that ends with a bare LF", "GET /a HTTP/1.1\n" + host + "\r\n", nil, true},
	{"a bare CR in the target", "GET /a\rHTTP/1.1\r\n" + host + "\r\n", nil, true},
	{"a blank in the target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", nil, true},
	{"a tab for a space", "GET\t/a HTTP/1.1\r\n" + host + "\r\n", nil, true},
	{"a NUL in the target", "GET /a\x00b HTTP/1.1\r\n" + host + "\r\n", nil, true},
	{"a head that ends with a bare LF", "GET /a HTTP/1.1\r\n" + host + "\n" + smuggled, nil, true},
	{"line ends in the query stay encoded", "GET /a?b=%0d%0aX:%20y HTTP/1.1\r\n" + host + "\r\n", one(`GET /a?b=%0d%0aX:%20y ""`), false},
	{"empty lines before a request", "\r\n\r\n" + "GET /a HTTP/1.1\r\n" + host + "\r\n", one(`GET /a ""`), false},
	{"the target in absolute-form", "GET http://localhost/a?b HTTP/1.1\r\n" + host + "\r\n", one(`GET /a?b ""`), false},

	// More than one message, RFC 9112 9.3.2.
	{"a good request before a bad one", post("Content-Length: 2\r\n", "hi"+post("Content-Length: 4\r\n"+chunked, lastly)), one(`POST /a "hi"`), true},
	{"a request behind the last one", post("Content-Length: 2\r\nConnection: close\r\n", "hi"+smuggled), one(`POST /a "hi"`), false},
	{"pipelined requests stay two", post("Content-Length: 2\r\n", "hi"+smuggled), []string{`POST /a "hi"`, `GET /smuggled ""`}, false},
	{"a body that is held back", post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi"+smuggled), []string{`POST /a "hi"`, `GET /smuggled ""`}, false},
	{"HTTP/2 behind an upgrade", "GET /a HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", one(`GET /a ""`), true},
	{"a body beside an upgrade is a body", post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 43\r\n", smuggled), one(quoted("POST /a ", smuggled)), false},
	{"a method that is one of another protocol", "PRI /a HTTP/1.1\r\n" + host + "\r\nSM\r\n\r\n" + smuggled, one(`PRI /a ""`), true},
	{"a request behind an upgrade that is not made", "GET /a HTTP/1.1\r\n" + host + "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" + smuggled, []string{`GET /a ""`, `GET /smuggled ""`}, false},
}

// Answers are attacks on whoever waits for an answer, or for the next one on the same connection.
var Answers = []Answer{
	// Two framings, RFC 9112 6.3.
	{"a length before chunks", "GET", ok("Content-Length: 5\r\n"+chunked, lastly+secret), false, nil, true},
	{"chunks before a length", "GET", ok(chunked+"Content-Length: 5\r\n", lastly+secret), false, nil, true},
	{"two lengths", "GET", ok("Content-Length: 0\r\nContent-Length: 43\r\n", secret), false, nil, true},
	{"two lengths that agree", "GET", ok("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"), false, nil, true},
	{"a list of lengths", "GET", ok("Content-Length: 2, 2\r\n", "hi"), false, nil, true},
	{"a negative length", "GET", ok("Content-Length: -1\r\n", "hi"), true, nil, true},
	{"a length that wraps round", "GET", ok("Content-Length: 18446744073709551618\r\n", "hi"), true, nil, true},
	{"a length on a folded line", "GET", ok("Content-Length:\r\n 2\r\n", "hi"), true, nil, true},
	{"a length behind a bare LF", "GET", ok("A: b\nContent-Length: 2\r\n", "hi"), true, nil, true},
	{"a length behind a bare CR", "GET", ok("A: b\rContent-Length: 2\r\n", "hi"), true, nil, true},
	{"a coding that begins like chunks", "GET", ok("Transfer-Encoding: chunkedx\r\n", lastly), true, nil, true},
	{"chunks and identity", "GET", ok("Transfer-Encoding: chunked, identity\r\n", lastly), true, nil, true},
	{"chunks in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n" + chunked + "\r\n" + lastly, true, nil, true},
	{"a name with an underscore frames nothing", "GET", ok("Transfer_Encoding: chunked\r\nContent_Length: 9\r\nContent-Length: 5\r\n", lastly), false, one(quoted("200 ", lastly)), false},

	// Chunks, RFC 9112 7.1.
	{"a size with other bytes behind it", "GET", ok(chunked, "2x\r\nhi\r\n"+lastly), false, nil, true},
	{"a size that wraps round", "GET", ok(chunked, "10000000000000002\r\nhi\r\n"+lastly), false, nil, true},
	{"a size that ends with a bare LF", "GET", ok(chunked, "2\nhi\r\n"+lastly), false, nil, true},
	{"a bare LF in an extension", "GET", ok(chunked, "2;\nxx\r\nhi\r\n"+lastly), false, nil, true},
	{"data that ends with two other bytes", "GET", ok(chunked, "2\r\nhiXX"+lastly), false, nil, true},
	{"an answer for a trailer", "GET", ok(chunked, "0\r\n"+secret), false, nil, true},
	{"trailers that would frame", "GET", ok(chunked, "2\r\nhi\r\n0\r\nContent-Length: 43\r\nSet-Cookie: evil\r\n\r\n"), false, one(`200 "hi"`), false},
	{"no last chunk", "GET", ok(chunked, "2\r\nhi\r\n"), true, nil, true},

	{"a size with many zeros", "GET", ok(chunked, "00000000000000000002\r\nhi\r\n"+lastly), false, nil, true},
	{"a chunk as long as an answer says it is", "GET", ok(chunked, "2b\r\n"+secret+"\r\n"+lastly), false, one(quoted("200 ", secret)), false},

	// An answer without a body has none, RFC 9112 6.3.
	{"HEAD with a body", "HEAD", ok("Content-Length: 43\r\n", secret), false, one(`200 ""`), true},
	{"HEAD with chunks", "HEAD", ok(chunked, lastly), false, one(`200 ""`), true},
	{"204 with a body", "GET", "HTTP/1.1 204 \r\nContent-Length: 43\r\n\r\n" + secret, false, one(`204 ""`), true},
	{"204 with chunks", "GET", "HTTP/1.1 204 \r\n" + chunked + "\r\n" + lastly, false, one(`204 ""`), true},
	{"304 with a body", "GET", "HTTP/1.1 304 \r\nContent-Length: 43\r\n\r\n" + secret, false, one(`304 ""`), true},
	{"an interim answer with a body", "GET", "HTTP/1.1 103 \r\nContent-Length: 2\r\n\r\nhi" + ok("Content-Length: 0\r\n", ""), false, one("103"), true},
	{"an interim answer that takes the final one for its body", "GET", "HTTP/1.1 100 \r\nContent-Length: 43\r\n\r\n" + secret, false, []string{"100", `200 "smug!"`}, false},
	{"and one more behind it", "GET", "HTTP/1.1 100 \r\nContent-Length: 43\r\n\r\n" + secret + secret, false, []string{"100", `200 "smug!"`}, true},
	{"an interim answer alone", "GET", "HTTP/1.1 102 \r\n\r\n", true, one("102"), true},

	{"304 with two framings", "GET", "HTTP/1.1 304 \r\nContent-Length: 5\r\n" + chunked + "\r\n", false, nil, true},
	{"HEAD with two framings", "HEAD", ok("Content-Length: 5\r\n"+chunked, ""), false, nil, true},
	{"an interim answer with two framings", "GET", "HTTP/1.1 103 \r\nContent-Length: 5\r\n" + chunked + "\r\n" + secret, false, nil, true},
	{"205 may have a body", "GET", "HTTP/1.1 205 \r\nContent-Length: 2\r\n\r\nhi", false, one(`205 "hi"`), false},
	{"HEAD of what ends with the connection", "HEAD", ok("", secret), true, one(`200 ""`), true},

	// Line and fields, RFC 9112 4 and 5.
	{"a status of four digits", "GET", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"a status with a sign", "GET", "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"a status behind two blanks", "GET", "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"a status that is no class of any", "GET", "HTTP/1.1 099 \r\nContent-Length: 0\r\n\r\n" + secret, false, nil, true},
	{"another version", "GET", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"Connection names the framing", "GET", ok("Connection: content-length\r\nContent-Length: 2\r\n", "hi"), false, one(`200 "hi"`), false},
	{"Connection names the chunks", "GET", ok("Connection: transfer-encoding\r\n"+chunked, "2\r\nhi\r\n"+lastly), false, one(`200 "hi"`), false},
	{"HTTP/0.9", "GET", "<p>hello", true, nil, true},
	{"a request", "GET", smuggled, false, nil, true},
	{"an empty line first", "GET", "\r\n" + ok("Content-Length: 0\r\n", ""), false, nil, true},
	{"a status line that ends with a bare LF", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"a bare CR in the reason", "GET", "HTTP/1.1 200 a\rSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n", false, nil, true},
	{"a NUL in a value", "GET", ok("A: \x00\r\nContent-Length: 0\r\n", ""), false, nil, true},
	{"a space before a colon", "GET", ok("Content-Length : 2\r\n", "hi"), true, nil, true},
	{"a head that ends with a bare LF", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n" + secret, false, nil, true},

	// What comes behind an answer is nobody's, RFC 9112 9.2.
	{"a second answer", "GET", ok("Content-Length: 2\r\n", "hi"+secret), false, one(`200 "hi"`), true},
	{"a second answer behind chunks", "GET", ok(chunked, lastly+secret), false, one(`200 ""`), true},
	{"one byte too many", "GET", ok("Content-Length: 2\r\n", "hi!"), false, one(`200 "hi"`), true},
	{"a line end too many", "GET", ok("Content-Length: 2\r\n", "hi\r\n"), false, one(`200 "hi"`), true},
	{"a body that ends with the connection holds what it likes", "GET", ok("", secret), true, one(quoted("200 ", secret)), false},
}

// quoted is a message with a body that has line ends in it.
func quoted(message, body string) string {
	return message + `"` + strings.NewReplacer("\r", `\r`, "\n", `\n`).Replace(body) + `"`
}
