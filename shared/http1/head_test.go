package http1

// Heads and bodies of answers, as bytes: framing, what a connection is told, and what may not be
// called in which order. What is compared is the whole text that would be sent.

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/chain/chaintest"
)

// sentAll is what the chain holds, as bytes.
func sentAll(c interface{ Out() *chain.Chain }) string {
	var out []byte
	for !c.Out().Empty() {
		out = append(out, chaintest.Drain(c.Out(), 1<<20)...)
	}
	return string(out)
}

// ask feeds one request and leaves the Conn where it is answered.
func ask(t *testing.T, c *Conn, in string) {
	t.Helper()
	c.Received(copy(c.Recv(), in))
	require.Equal(t, HasRequest, c.Next())
}

func TestAnswersAreFramed(t *testing.T) {
	const common = "Server: fourways\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
	const keep = "Connection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\n"
	for _, tt := range []struct {
		name, in string
		status   int
		length   int64
		body     string
		want     string
	}{
		{"known length", "GET / HTTP/1.1\r\n\r\n", 200, 5, "hello",
			"HTTP/1.1 200 OK\r\n" + common + keep + "Content-Length: 5\r\n\r\nhello"},
		{"unknown length", "GET / HTTP/1.1\r\n\r\n", 200, UnknownLength, "hello",
			"HTTP/1.1 200 OK\r\n" + common + keep + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"unknown length for HTTP/1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, UnknownLength, "hello",
			"HTTP/1.1 200 OK\r\n" + common + "Connection: close\r\n\r\nhello"},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", 200, 5, "hello",
			"HTTP/1.1 200 OK\r\n" + common + keep + "Content-Length: 5\r\n\r\n"},
		{"HEAD of unknown length", "HEAD / HTTP/1.1\r\n\r\n", 200, UnknownLength, "hello",
			"HTTP/1.1 200 OK\r\n" + common + keep + "Transfer-Encoding: chunked\r\n\r\n"},
		{"204 has no length", "OPTIONS * HTTP/1.1\r\n\r\n", 204, 0, "",
			"HTTP/1.1 204 No Content\r\n" + common + keep + "\r\n"},
		{"304 has neither length nor body", "GET / HTTP/1.1\r\n\r\n", 304, 0, "",
			"HTTP/1.1 304 Not Modified\r\n" + common + keep + "\r\n"},
		{"HTTP/1.0 is kept on request", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, 0, "",
			"HTTP/1.1 200 OK\r\n" + common + keep + "Content-Length: 0\r\n\r\n"},
		{"the client closes", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 200, 0, "",
			"HTTP/1.1 200 OK\r\n" + common + "Connection: close\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestConn(&testConfig)
			ask(t, c, tt.in)
			c.Begin(tt.status, tt.length).End()
			c.Write([]byte(tt.body))
			c.Finish()
			require.Equal(t, tt.want, sentAll(c))
		})
	}
}

func TestAPreparedHeadIsTheOneThatIsWrittenFieldByField(t *testing.T) {
	prepared := Prepare(200, 5, []byte("Content-Type: text/plain\r\n"), nil, []byte("ETag: \"a\"\r\n"))
	for _, tt := range []struct {
		name, in string
		requests int
	}{
		{"GET", "GET / HTTP/1.1\r\n\r\n", 100},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", 100},
		{"as many requests as one likes", "GET / HTTP/1.1\r\n\r\n", 0},
		{"the client closes", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 100},
		{"the last request", "GET / HTTP/1.1\r\n\r\n", 1},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig
			cfg.Requests = tt.requests
			cfg.Extra = []byte("X-Extra: yes\r\n")
			answer := func(head func(c *Conn)) string {
				c := newTestConn(&cfg)
				ask(t, c, tt.in)
				head(c)
				c.Write([]byte("hello"))
				c.Finish()
				require.Equal(t, 200, c.Status())
				return sentAll(c)
			}
			want := answer(func(c *Conn) {
				h := c.Begin(200, 5)
				h.Field("Content-Type", "text/plain")
				h.Field("ETag", `"a"`)
				h.End()
			})
			require.Equal(t, want, answer(func(c *Conn) { c.BeginWith(&prepared) }))
		})
	}
}

func TestTheLastAllowedRequestAnnouncesTheClose(t *testing.T) {
	cfg := testConfig
	cfg.Requests = 2
	c := newTestConn(&cfg)
	for i, want := range []string{"max=1\r\n", "Connection: close\r\n"} {
		ask(t, c, "GET / HTTP/1.1\r\n\r\n")
		require.Equal(t, i+1, c.Served())
		c.Begin(200, 0).End()
		c.Finish()
		require.Contains(t, sentAll(c), want)
		require.Equal(t, End, c.Next())
	}
	require.Equal(t, Closed, c.Next())
}

func TestATimeBelowASecondIsNotAnnounced(t *testing.T) {
	c := newTestConn(&Config{Limits: testConfig.Limits})
	ask(t, c, "GET / HTTP/1.1\r\n\r\n")
	c.Begin(200, 0).End()
	c.Finish()
	require.Contains(t, sentAll(c), "\r\nConnection: keep-alive\r\nContent-Length: 0\r\n")
}

func TestContinueIsSentOnceAndOnlyToThoseWhoWait(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"it waits", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"it does not wait", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", ""},
		{"it has begun to send", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", ""},
		{"items of its list are empty", "POST / HTTP/1.1\r\nExpect: , 100-continue,\r\nExpect:\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"HTTP/1.0 does not know it", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestConn(&testConfig)
			ask(t, c, tt.in)
			require.Equal(t, tt.want != "", c.AwaitsContinue())
			c.Continue()
			c.Continue()
			require.False(t, c.AwaitsContinue())
			require.Equal(t, tt.want, sentAll(c))
		})
	}
}

func TestAFileIsChunkedLikeBytes(t *testing.T) {
	c := newTestConn(&testConfig)
	ask(t, c, "GET / HTTP/1.1\r\n\r\n")
	f := &chaintest.Counted{Refs: 2}
	c.Begin(200, UnknownLength).End()
	c.WriteFile(f, 3, 300)
	c.WriteRef([]byte("ref"), f)
	c.Finish()
	require.EqualValues(t, 303, c.Written())
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(sentAll(c))), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(chaintest.Content(3, 300), "ref"...), body))
	require.Zero(t, f.Refs)
}

func TestWhatHEADDropsIsReleased(t *testing.T) {
	c := newTestConn(&testConfig)
	ask(t, c, "HEAD / HTTP/1.1\r\n\r\n")
	f := &chaintest.Counted{Refs: 2}
	c.Begin(200, 10).End()
	c.WriteFile(f, 0, 5)
	c.WriteRef([]byte("fives"), f)
	c.Finish()
	require.Zero(t, f.Refs)
	require.Zero(t, c.Written())
}

func TestHEADHasNoBodyEvenIfItsLineIsAtFault(t *testing.T) {
	for name, in := range map[string]string{
		"too long":         "HEAD /" + strings.Repeat("a", 600),
		"a bare line feed": "HEAD / HTTP/1.1\n",
		"cut short":        "HEAD / HT",
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestConn(&testConfig)
			c.Received(copy(c.Recv(), in))
			c.Next()
			c.EOF()
			require.Equal(t, Error, c.Next())
			require.True(t, strings.HasPrefix(in, string(c.Request().Line)))
			c.Begin(c.Fault().Status, 5).End()
			c.Write([]byte("hello"))
			c.Finish()
			require.NotContains(t, sentAll(c), "hello")
		})
	}
}

func TestABodyThatBreaksItsOwnFramingIsAFaultOfOurs(t *testing.T) {
	c := newTestConn(&testConfig)
	ask(t, c, "GET / HTTP/1.1\r\n\r\n")
	c.Begin(200, 4).End()
	require.Panics(t, func() { c.Finish() }, "too short")
	require.Panics(t, func() { c.Write([]byte("five!")) }, "too long")
	require.Panics(t, func() { c.Begin(200, 0) }, "a second answer")
}

func TestALongHeadIsNotCut(t *testing.T) {
	c := newTestConn(&testConfig)
	ask(t, c, "GET / HTTP/1.1\r\n\r\n")
	h := c.Begin(200, 2)
	for range 300 {
		h.Field("X-Long", strings.Repeat("v", 100))
	}
	h.End()
	c.Write([]byte("ok"))
	c.Finish()
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(sentAll(c))), nil)
	require.NoError(t, err)
	require.Len(t, resp.Header["X-Long"], 300)
}

// Each row is what a sender is told to do; the last step is out of order.
func TestTheSenderAssertsItsOrder(t *testing.T) {
	begin := func(c *Conn) { c.Begin(200, 3) }
	end := func(c *Conn) { c.head.End() }
	body := func(c *Conn) { c.Write([]byte("abc")) }
	finish := func(c *Conn) { c.Finish() }
	broken := func(c *Conn) { c.Break() }
	interim := func(c *Conn) { c.Interim(103, nil) }
	for _, tt := range []struct {
		name  string
		steps []func(*Conn)
	}{
		{"an end without a head", []func(*Conn){end}},
		{"a body before its head", []func(*Conn){body}},
		{"a body before its head is complete", []func(*Conn){begin, body}},
		{"a second final answer", []func(*Conn){begin, end, body, finish, begin}},
		{"a second head", []func(*Conn){begin, begin}},
		{"an end without a beginning", []func(*Conn){finish}},
		{"a body that is too short", []func(*Conn){begin, end, finish}},
		{"a body that is too long", []func(*Conn){begin, end, body, body}},
		{"a second end", []func(*Conn){begin, end, body, finish, finish}},
		{"something after breaking off", []func(*Conn){begin, end, broken, finish}},
		{"breaking off what is complete", []func(*Conn){begin, end, body, finish, broken}},
		{"an interim answer after the final one", []func(*Conn){begin, end, interim}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestConn(&testConfig)
			c.Received(copy(c.Recv(), "GET / HTTP/1.1\r\n\r\n"))
			require.Equal(t, HasRequest, c.Next())
			last := len(tt.steps) - 1
			for _, step := range tt.steps[:last] {
				require.NotPanics(t, func() { step(c) })
			}
			require.Panics(t, func() { tt.steps[last](c) })
		})
	}
}

// An answer that breaks off is what its client has so far, and never looks whole: no last
// chunk follows, and the connection serves nothing more.
func TestAnAnswerThatBreaksOffNeverLooksWhole(t *testing.T) {
	c := newTestConn(&testConfig)
	c.Received(copy(c.Recv(), "GET / HTTP/1.1\r\n\r\n"))
	require.Equal(t, HasRequest, c.Next())
	c.Begin(200, UnknownLength).End()
	c.Write([]byte("abc"))
	c.Break()
	got := chaintest.Drain(c.Out(), 1<<20)
	require.True(t, bytes.HasSuffix(got, []byte("\r\n\r\n3\r\nabc\r\n")), "%q", got)
	require.True(t, c.Closing())
	require.Equal(t, End, c.Next())
	require.Equal(t, Unanswered, c.Next(), "nothing else is served")
}

func TestInterimAnswersComeBeforeTheFinalOne(t *testing.T) {
	for version, want := range map[string]string{
		"1.1": "HTTP/1.1 103 \r\nLink: </a>\r\n\r\nHTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\n",
		"1.0": "HTTP/1.1 200 OK\r\n", // RFC 9110 15.2: none for it
	} {
		c := newTestConn(&testConfig)
		c.Received(copy(c.Recv(), "GET / HTTP/"+version+"\r\n\r\n"))
		require.Equal(t, HasRequest, c.Next())
		c.Interim(103, []byte("Link: </a>\r\n"))
		c.Interim(103, nil)
		c.Begin(200, 0).End()
		c.Finish()
		require.True(t, bytes.HasPrefix(chaintest.Drain(c.Out(), 1<<20), []byte(want)), version)
	}
}

// Of somebody else's answer the framing and the connection are ours, and nothing else is.
func TestARelayedHeadSaysNothingOfOurs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		length int64
		want   string
	}{
		{"a known length", 203, 0, "HTTP/1.1 203 \r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\nContent-Length: 0\r\nServer: theirs\r\n\r\n"},
		{"none", 200, UnknownLength, "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\nTransfer-Encoding: chunked\r\nServer: theirs\r\n\r\n0\r\n\r\n"},
		{"no body at all", 304, 0, "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\nKeep-Alive: timeout=30, max=99\r\nServer: theirs\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTestConn(&testConfig)
			c.Received(copy(c.Recv(), "GET / HTTP/1.1\r\n\r\n"))
			require.Equal(t, HasRequest, c.Next())
			h := c.BeginRelayed(tt.status, tt.length)
			h.Field("Server", "theirs")
			h.End()
			c.Finish()
			require.Equal(t, tt.want, string(chaintest.Drain(c.Out(), 1<<20)))
		})
	}
}
