package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sentAll is what the chain holds, as bytes.
func sentAll(c *Conn) string {
	var out []byte
	for !c.Out().Empty() {
		out = append(out, drain(c.Out(), 1<<20)...)
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

func TestContinueIsSentOnceAndOnlyToThoseWhoWait(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"it waits", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"it does not wait", "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", ""},
		{"it has begun to send", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", ""},
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
	f := &counted{refs: 2}
	c.Begin(200, UnknownLength).End()
	c.WriteFile(f, 3, 300)
	c.WriteRef([]byte("ref"), f)
	c.Finish()
	require.EqualValues(t, 303, c.Written())
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(sentAll(c))), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(content(3, 300), "ref"...), body))
	require.Zero(t, f.refs)
}

func TestWhatHEADDropsIsReleased(t *testing.T) {
	c := newTestConn(&testConfig)
	ask(t, c, "HEAD / HTTP/1.1\r\n\r\n")
	f := &counted{refs: 2}
	c.Begin(200, 10).End()
	c.WriteFile(f, 0, 5)
	c.WriteRef([]byte("fives"), f)
	c.Finish()
	require.Zero(t, f.refs)
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
