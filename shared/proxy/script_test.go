package proxy

// One client, one target, and what passes between them, as scripts: bytes and pauses as data. Each
// line of what a proxy must do has one.
//
// To add one, add a row. It is played whole and byte by byte, and what the two sides get must be
// the same both times. What must not be done: no script may depend on how its bytes are cut.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
)

const (
	get      = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
	got      = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
	ok       = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	hello    = ok + "hello"
	post     = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
	posted   = "POST /x HTTP/1.1\r\nContent-Length: 6\r\nHost: h\r\n\r\n"
	expects  = "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 6\r\n\r\n"
	expected = "POST /x HTTP/1.1\r\nContent-Length: 6\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"
	empties  = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	emptied  = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n{}"
	asked    = "HTTP/1.1 100 Continue\r\n\r\n"
	chunked  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// refused is our own answer for a reason.
func refused(status, reason string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s", status, len(reason), reason)
}

// long is a request with a body of 10,000 bytes in place of six: at the minimum rate its client may
// rest for 40 seconds.
func long(request string) string {
	return strings.Replace(request, "Content-Length: 6", "Content-Length: 10000", 1)
}

func closing(answer string) string {
	return strings.Replace(answer, "\r\n", "\r\nConnection: close\r\n", 1)
}

// An answer that is cut ends the connection in order, after all that was sent before it: a reset
// could take the end of the one before along.
func TestACutAnswerDestroysNoneBeforeIt(t *testing.T) {
	r := newRig(t, false, nil)
	r.client.Room = 0
	r.send(r.client, get+get)
	r.send(r.target(), hello)
	r.send(r.target(), ok+"hel")
	targetEnds(r)
	require.Equal(t, []string{"upstream-cut-short"}, r.ev.refused)
	require.Equal(t, "open", stateOf(r.client))
	r.client.Room = -1
	r.Run()
	require.Equal(t, hello+ok+"hel", plain(r.client.Take()))
	require.Equal(t, "ended", stateOf(r.client))
	clientEnds(r)
	require.Equal(t, "closed", stateOf(r.client))
}

// Each script is played whole and byte by byte.
func TestScripts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []step
	}{
		{"an answer of known length, and the next request on the same two connections", []step{
			clientSends(get), targetGets(got), targetSends(hello), clientGets(hello), targetIs("open"),
			clientSends(get), targetGets(got), targetSends(hello), clientGets(hello), clientIs("open"),
			logs("200 http://127.0.0.1:9000 0 0 0", "200 http://127.0.0.1:9000 0 0 0"),
		}},
		{"a method that this server does not know", []step{
			clientSends("PROPFIND /x HTTP/1.1\r\nHost: h\r\n\r\n"), targetGets("PROPFIND /x HTTP/1.1\r\nHost: h\r\n\r\n"),
			targetSends(hello), clientGets(hello), targetIs("open"), clientIs("open"),
		}},
		{"a client of HTTP/1.0 that names no Host", []step{
			clientSends("GET /x HTTP/1.0\r\n\r\n"), targetGets("GET /x HTTP/1.1\r\nHost: 127.0.0.1:9000\r\n\r\n"),
			targetSends(hello), clientGets(closing(hello)), clientIs("closed"),
		}},
		{"pipelined requests are answered in order", []step{
			clientSends(get + strings.Replace(get, "/x", "/y", 1)), targetGets(got), targetSends(hello),
			clientGets(hello), targetGets(strings.Replace(got, "/x", "/y", 1)), targetSends(hello), clientGets(hello),
		}},
		{"an answer in chunks", []step{
			clientSends(get), targetGets(got), targetSends(chunked + "5\r\nhello\r\n0\r\n\r\n"), clientGets(chunked + "{hello}{}"), targetIs("open"), clientIs("open"),
		}},
		{"an answer that ends with its connection becomes one in chunks", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 200 OK\r\n\r\nhello"), clientGets(chunked + "{hello}"),
			targetEnds, clientGets("{}"), clientIs("open"), targetIs("closed"),
		}},
		{"the same for a client of HTTP/1.0, whose connection ends too", []step{
			clientSends("GET /x HTTP/1.0\r\nHost: h\r\n\r\n"), targetGets(got), targetSends(chunked + "5\r\nhello\r\n"),
			clientGets("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"), targetSends("0\r\n\r\n"), clientIs("closed"),
		}},
		{"an answer to HEAD has no body, and says how long that of GET is", []step{
			clientSends("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"), targetGets("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"),
			targetSends(ok), clientGets(ok), targetIs("open"), clientSends(get), targetGets(got),
		}},
		{"nor has one of 204", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 204 No Content\r\n\r\n"), clientGets("HTTP/1.1 204 No Content\r\n\r\n"), targetIs("open"),
		}},
		{"nor has one of 304, whatever it says", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n"),
			clientGets("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"), targetIs("open"),
		}},
		{"each event arrives at once", []step{
			clientSends(get), targetGets(got), targetSends(chunked), clientGets(chunked),
			targetSends("9\r\ndata: 1\n\n\r\n"), clientGets("{data: 1\n\n}"), pause(20 * clock.Second),
			targetSends("9\r\ndata: 2\n\n\r\n"), clientGets("{data: 2\n\n}"), pause(20 * clock.Second),
			targetSends("0\r\n\r\n"), clientGets("{}"),
		}},
		{"the fields of an answer pass as they are", []step{
			clientSends(get), targetGets(got),
			targetSends("HTTP/1.1 206 Partial Content\r\nServer: theirs\r\nDate: Mon, 07 Nov 1994 08:48:37 GMT\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: W/\"x\"\r\nContent-Range: bytes 0-4/9\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello"),
			clientGets("HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nServer: theirs\r\nDate: Mon, 07 Nov 1994 08:48:37 GMT\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: W/\"x\"\r\nContent-Range: bytes 0-4/9\r\nContent-Encoding: br\r\n\r\nhello"),
		}},
		{"interim answers are passed on", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 103 \r\nLink: </a>\r\n\r\n"), clientGets("HTTP/1.1 103 \r\nLink: </a>\r\n\r\n"),
			targetSends(hello), clientGets(hello),
		}},
		{"but not to a client of HTTP/1.0", []step{
			clientSends("GET /x HTTP/1.0\r\nHost: h\r\n\r\n"), targetGets(got), targetSends("HTTP/1.1 103 \r\nLink: </a>\r\n\r\n"), clientGets(""),
			targetSends(hello), clientGets(closing(hello)),
		}},
		{"a 100 that nobody waits for is not", []step{
			clientSends(get), targetGets(got), targetSends(asked + hello), clientGets(hello),
		}},
		{"eight of them, and not one more", []step{
			clientSends(get), targetGets(got), targetSends(strings.Repeat("HTTP/1.1 102 \r\n\r\n", 8)), clientGets(strings.Repeat("HTTP/1.1 102 \r\n\r\n", 8)),
			targetSends("HTTP/1.1 102 \r\n\r\n"), clientGets(refused("502 Bad Gateway", "upstream-malformed")), targetIs("reset"),
		}},

		{"an upload is passed on as it comes", []step{
			clientSends(post), targetGets(posted), clientSends("abc"), targetGets("abc"), clientSends("def"), targetGets("def"),
			targetSends(hello), clientGets(hello), targetIs("open"), clientIs("open"),
		}},
		{"an upload in chunks, too", []step{
			clientSends("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"),
			targetGets("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n"),
			clientSends("3;x=y\r\nabc\r\n"), targetGets("{abc}"), clientSends("0\r\nA: b\r\n\r\n"), targetGets("{}"),
			targetSends(hello), clientGets(hello), targetIs("open"),
		}},
		{"an upload of no bytes is one all the same", []step{
			clientSends("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"), targetGets("POST /x HTTP/1.1\r\nContent-Length: 0\r\nHost: h\r\n\r\n"),
			targetSends(hello), clientGets(hello), targetIs("open"),
		}},
		{"whether a body is wanted is for the target to say", []step{
			clientSends(expects), targetGets(expected), clientGets(""), pause(20 * clock.Second), targetSends(asked), clientGets(asked),
			clientSends("abcdef"), targetGets("abcdef"), targetSends(hello), clientGets(hello), targetIs("open"), clientIs("open"),
		}},
		{"a target that has asked for it, or given a hint, waits for the client, whose time it is", []step{
			clientSends(long(expects)), targetGets(long(expected)), targetSends(asked + "HTTP/1.1 103 \r\n\r\n"), clientGets(asked + "HTTP/1.1 103 \r\n\r\n"),
			clientSends(strings.Repeat("a", 9_999)), targetGets(strings.Repeat("a", 9_999)), pause(35 * clock.Second), clientGets(""), targetIs("open"),
			clientSends("b"), targetGets("b"), pause(30*clock.Second - 1), targetIs("open"), pause(1), targetIs("reset"), refuses("upstream-timeout"),
		}},
		{"one that stops in the head of an early answer does not", []step{
			clientSends(long(post)), targetGets(long(posted)), targetSends("HTTP/1.1 4"), clientSends(strings.Repeat("a", 9_999)),
			pause(30 * clock.Second), targetIs("reset"), refuses("upstream-timeout"),
		}},
		{"it is not wanted", []step{
			clientSends(expects), targetGets(expected), targetSends("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"),
			clientGets(closing("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")), targetIs("closed"), clientIs("ended"),
		}},
		{"a target that never asks for it is not waited for by the client for ever", []step{
			clientSends(expects), targetGets(expected), pause(20 * clock.Second), clientSends("abcdef"), targetGets("abcdef"),
			targetSends(asked + hello), clientGets(hello), clientIs("open"),
		}},
		{"a target that neither asks nor answers is too late", []step{
			clientSends(expects), targetGets(expected), pause(30 * clock.Second), clientGets(closing(refused("504 Gateway Timeout", "upstream-timeout"))), targetIs("reset"),
		}},
		{"an early answer is passed on at once, and the rest of the upload dropped", []step{
			clientSends(post), targetGets(posted), clientSends("abc"), targetGets("abc"),
			targetSends("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"), clientGets("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"),
			targetIs("closed"), clientSends("def"), targetGets(""), clientIs("open"),
			clientSends(get), targetGets(got), targetSends(hello), clientGets(hello),
		}},
		{"while an early answer goes on, the rest of the upload is read and dropped", []step{
			clientSends(post), targetGets(posted), clientSends("abc"), targetGets("abc"), targetSends(chunked + "5\r\nhello\r\n"), clientGets(chunked + "{hello}"),
			clientSends("d"), clientIsRead, targetGets(""), targetSends("5\r\nworld\r\n"), clientGets("{world}"), clientSends("ef"), clientIsRead,
			clientSends(get), clientGets(""), targetSends("0\r\n\r\n"), clientGets("{}"), clientIs("open"),
			func(r *rig) {
				require.Equal(r.t, 2, r.targets(), "what has not got all of its request is not used again")
			}, targetGets(got), targetSends(hello), clientGets(hello), clientIs("open"),
		}},
		{"and so is one in chunks, whose end may be malformed", []step{
			clientSends("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"), targetSends(chunked + "5\r\nhello\r\n"), clientGets(chunked + "{hello}"),
			clientSends("3\r\nabc\r\nx\r\n" + get), clientGets(""), targetSends("0\r\n\r\n"), clientGets("{}"), clientIs("ended"),
		}},
		{"a client that ends its upload too early still gets the early answer", []step{
			clientSends(post), targetSends(chunked + "5\r\nhello\r\n"), clientGets(chunked + "{hello}"), clientEnds, clientIs("open"),
			targetSends("5\r\nworld\r\n0\r\n\r\n"), clientGets("{world}{}"), clientIs("closed"),
		}},
		{"one that breaks off frees the target at once", []step{
			clientSends(post), targetSends(chunked + "5\r\nhello\r\n"), clientGets(chunked + "{hello}"), clientBreaks, clientIs("reset"), targetIs("reset"),
		}},
		{"an upload that is cut short reaches the target as one", []step{
			clientSends(post), targetGets(posted), clientSends("abc"), targetGets("abc"), clientEnds, targetIs("reset"),
			clientGets(closing(refused("400 Bad Request", "cut-short"))),
		}},
		{"an upload that is too slow, too", []step{
			clientSends(post), targetGets(posted), clientSends("abc"), targetGets("abc"), pause(100 * clock.Second), targetIs("reset"),
			clientGets(closing(refused("408 Request Timeout", "body-too-slow"))),
		}},
		{"a client that breaks in its upload", []step{
			clientSends(post), targetGets(posted), clientBreaks, targetIs("reset"),
		}},

		{"a client that leaves before the answer frees the target at once", []step{
			clientSends(get), targetGets(got), clientBreaks, clientIs("reset"), targetIs("reset"),
		}},
		{"and in the midst of it", []step{
			clientSends(get), targetGets(got), targetSends(ok + "he"), clientGets(ok + "he"), clientBreaks, targetIs("reset"), logs("200 http://127.0.0.1:9000 0 0 0"),
		}},
		{"a client that only ends its direction has not left", []step{
			clientSends(get), clientEnds, targetGets(got), pause(20 * clock.Second), targetSends(hello), clientGets(hello), targetIs("open"), clientIs("closed"),
		}},

		{"no answer, but an end", []step{
			clientSends(get), targetGets(got), targetEnds, clientGets(refused("502 Bad Gateway", "upstream-cut-short")), clientIs("open"), refuses("upstream-cut-short"),
		}},
		{"no answer, but a reset", []step{
			clientSends(get), targetGets(got), targetBreaks, clientGets(refused("502 Bad Gateway", "upstream-cut-short")),
		}},
		{"half a head", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 200 OK\r\nX"), targetEnds, clientGets(refused("502 Bad Gateway", "upstream-cut-short")),
		}},
		{"an answer that is cut in its body does not look whole", []step{
			clientSends(get), targetGets(got), targetSends(ok + "hel"), clientGets(ok + "hel"), targetEnds, clientGets(""), clientIs("ended"), refuses("upstream-cut-short"),
		}},
		{"nor one in chunks", []step{
			clientSends(get), targetGets(got), targetSends(chunked + "5\r\nhello\r\n"), clientGets(chunked + "{hello}"), targetEnds, clientGets(""), clientIs("ended"),
		}},
		{"nor one in chunks to a client of HTTP/1.0", []step{
			clientSends("GET /x HTTP/1.0\r\nHost: h\r\n\r\n"), targetGets(got), targetSends(chunked + "5\r\nhello\r\n"), targetEnds, clientIs("reset"),
		}},
		{"nor one that ends with a reset", []step{
			clientSends(get), targetGets(got), targetSends("HTTP/1.1 200 OK\r\n\r\nhello"), targetBreaks, clientIs("ended"),
		}},
		{"nor one with a malformed chunk", []step{
			clientSends(get), targetGets(got), targetSends(chunked + "5\r\nhello\r\nx\r\n"), clientIs("ended"), refuses("upstream-malformed"), targetIs("reset"),
		}},
		{"silence before the head", []step{
			clientSends(get), targetGets(got), pause(30*clock.Second - 1), clientGets(""), pause(1), clientGets(refused("504 Gateway Timeout", "upstream-timeout")),
			targetIs("reset"), clientIs("open"), logs("504 http://127.0.0.1:9000 0 0 0"),
		}},
		{"silence in the body", []step{
			clientSends(get), targetGets(got), targetSends(ok + "hel"), pause(30 * clock.Second), clientIs("ended"), targetIs("reset"), refuses("upstream-timeout"),
		}},
		{"times are in the log", []step{
			clientSends(get), pause(2 * clock.Second), targetSends(ok), pause(3 * clock.Second), targetSends("hello"), logs("200 http://127.0.0.1:9000 0 2 5"),
		}},

		{"OPTIONS that may go no further is answered here", []step{
			clientSends("OPTIONS /x HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"), func(r *rig) { require.Zero(r.t, r.targets()) }, clientIs("open"),
		}},
		{"TRACE is not passed on, nor TRACK", []step{
			clientSends("TRACE /x HTTP/1.1\r\nHost: h\r\n\r\n"), clientGets(refused("405 Method Not Allowed", "refused-method")),
			clientSends("TRACK /x HTTP/1.1\r\nHost: h\r\n\r\n"), clientGets(refused("405 Method Not Allowed", "refused-method")),
		}},
		{"an absolute target is passed on as a path, and its host as Host", []step{
			clientSends("GET http://other/x?y HTTP/1.1\r\nHost: h\r\n\r\n"), targetGets("GET /x?y HTTP/1.1\r\nHost: other\r\n\r\n"),
		}},
		{"a target passes as it was sent, once its path is harmless", []step{
			clientSends("GET /%41/b%20c?d=%2e%2e/&e HTTP/1.1\r\nHost: h\r\n\r\n"), targetGets("GET /%41/b%20c?d=%2e%2e/&e HTTP/1.1\r\nHost: h\r\n\r\n"),
		}},
		{"and not where it is not", []step{
			clientSends("GET /a/%2e%2e/b HTTP/1.1\r\nHost: h\r\n\r\n"), clientGets(refused("403 Forbidden", "path-traversal")),
		}},
		{"a server that stops finishes what it has", []step{
			clientSends(get), targetGets(got), func(r *rig) { r.srv.Drain() }, targetSends(hello), clientGets(closing(hello)), targetIs("closed"), clientIs("ended"),
		}},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, byte by byte %v", tt.name, bytewise), func(t *testing.T) {
				r := newRig(t, bytewise, nil)
				for _, step := range tt.script {
					step(r)
				}
			})
		}
	}
}

// A client may send all of its upload before it reads any of an early answer. It is not too slow as
// long as it sends; when it stops, it is.
func TestAClientMaySendAllBeforeItReads(t *testing.T) {
	const piece, pieces = 1000, 20
	for _, all := range []bool{true, false} {
		t.Run(fmt.Sprintf("it sends all %v", all), func(t *testing.T) {
			r := newRig(t, false, nil)
			r.send(r.client, fmt.Sprintf("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", piece*pieces))
			r.client.Room = 0
			r.send(r.target(), chunked+"5\r\nhello\r\n")
			for range pieces - 1 {
				r.send(r.client, strings.Repeat("u", piece))
				require.Zero(t, r.client.Unread())
				r.pass(clock.Second)
			}
			require.Equal(t, "open", stateOf(r.client))
			if !all {
				for n := 0; n < 40 && stateOf(r.client) == "open"; n++ { // all at once, it would be the server that was late
					r.send(r.target(), "1\r\n!\r\n")
					r.pass(5 * clock.Second)
				}
				require.Equal(t, "reset", stateOf(r.client))
				require.Equal(t, []string{"reader-too-slow"}, r.ev.refused)
				require.Equal(t, "reset", stateOf(r.target()))
				return
			}
			r.send(r.client, strings.Repeat("u", piece))
			r.client.Room = -1
			r.send(r.target(), "0\r\n\r\n")
			require.Equal(t, chunked+"{hello}{}", plain(r.client.Take()))
			require.Equal(t, "open", stateOf(r.client))
		})
	}
}

// What a client has taken of an answer is credit for the rest, however many times the target has
// made it wait in between: its kernel takes much at once, and then nothing for a while.
func TestWhatAClientHasTakenOfAnAnswerIsCredit(t *testing.T) {
	const piece, pieces = 10_000, 5
	r := newRig(t, false, nil)
	r.send(r.client, get)
	r.send(r.target(), "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
	for range pieces {
		r.send(r.target(), strings.Repeat("d", piece))
	}
	require.Greater(t, len(r.client.Take()), piece*pieces)
	r.client.Room = 0
	r.send(r.target(), strings.Repeat("d", piece))
	silent := func(seconds clock.Time) {
		for range seconds / 5 {
			r.pass(5 * clock.Second)
			r.send(r.target(), "d") // which is not silent meanwhile
		}
	}
	silent(50)
	require.Equal(t, "open", stateOf(r.client))
	silent(20)
	require.Equal(t, "reset", stateOf(r.client))
	require.Equal(t, []string{"reader-too-slow"}, r.ev.refused)
}
