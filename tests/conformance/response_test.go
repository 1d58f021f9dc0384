package conformance

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readAnswer reads one answer to a request of that method from bytes that a peer
// sends before it closes.
func readAnswer(t *testing.T, method, wire string) (*Response, *reader, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, wire)
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	in := &reader{conn: conn}
	r, err := in.response(method, time.Now().Add(answerWait))
	return r, in, err
}

func TestReaderTakesWellFormedAnswers(t *testing.T) {
	for _, row := range []struct{ name, method, wire, body, rest string }{
		{"a body of its length, and what follows is left", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP", "ab", "HTTP"},
		{"a reason may be empty", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", ""},
		{"HEAD has no body, whatever its length says", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "", ""},
		{"304 has no body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "", ""},
		{"204 has no body", "GET", "HTTP/1.1 204 No Content\r\n\r\nx", "", "x"},
		{"chunks are put together", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\nX: y\r\n\r\nrest", "abc", "rest"},
		{"without a length the body ends with the connection", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", "abc", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, in, err := readAnswer(t, row.method, row.wire)
			require.NoError(t, err)
			assert.Equal(t, row.body, string(r.Body))
			for in.fill(time.Now().Add(answerWait)) == nil {
			}
			assert.Equal(t, row.rest, string(in.buf[in.pos:]))
		})
	}
}

func TestReaderSaysWhereAnAnswerIsMalformed(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, row := range []struct {
		name, wire string
		at         int
	}{
		{"a version in small letters", "http/1.1 200 OK\r\n\r\n", 0},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", 0},
		{"no blank behind the status", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0},
		{"a status line that ends in LF", "HTTP/1.1 200 OK\nX: y\r\n\r\n", 15},
		{"a bare CR in a line", "HTTP/1.1 200 O\rK\r\n\r\n", 14},
		{"a field without colon", ok + "nonsense\r\n\r\n", 17},
		{"a blank before the colon", ok + "X : y\r\n\r\n", 18},
		{"a control character in a value", ok + "X: a\x01\r\n\r\n", 21},
		{"a folded line", ok + "X: y\r\n z: a\r\n\r\n", 23},
		{"two lengths", ok + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 36},
		{"a length with a sign", ok + "Content-Length: +1\r\n\r\na", 17},
		{"length beside chunked", ok + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 17},
		{"another coding", ok + "Transfer-Encoding: gzip\r\n\r\n", 17},
		{"a body that is too short", ok + "Content-Length: 3\r\n\r\nab", 40},
		{"a chunk size with 0x", ok + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 47},
		{"a chunk that is too long", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", 51},
		{"a chunked body without end", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", 53},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, _, err := readAnswer(t, "GET", row.wire)
			var m *malformed
			require.ErrorAs(t, err, &m)
			assert.Equal(t, row.at, m.at, "%s", m.text)
		})
	}
}

func TestReaderTellsAClosedConnectionFromABrokenAnswer(t *testing.T) {
	_, _, err := readAnswer(t, "GET", "")
	assert.ErrorIs(t, err, errClosed)
}

// Time is synctest's here: nobody really waits.
func TestReaderWaitsForALargeBodyAsLongAsItComes(t *testing.T) {
	for _, row := range []struct {
		name          string
		length, comes int // bytes: what the head says, and what comes of it
		piece         int // bytes that come each second
		whole         bool
	}{
		{"a body that takes longer than an answer may", 64 * readStep, 64 * readStep, readStep, true},
		{"a body that stops", 64 * readStep, 32 * readStep, readStep, false},
		{"a body that drips", 64 * readStep, 64 * readStep, 1, false},
		{"a body that nobody has asked for", longestAwait + 1, 64 * readStep, readStep, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = fmt.Fprintf(server, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", row.length)
					for sent := 0; sent < row.comes; sent += row.piece {
						time.Sleep(time.Second)
						if _, err := server.Write(bytes.Repeat([]byte("x"), row.piece)); err != nil {
							return
						}
					}
				})
				in := &reader{conn: client}
				r, err := in.response("GET", time.Now().Add(answerWait))
				_ = client.Close()
				sending.Wait()
				if row.whole {
					require.NoError(t, err)
					require.Len(t, r.Body, row.length)
					require.LessOrEqual(t, cap(in.buf), row.length+4*readStep, "bytes of the buffer, which has not grown step by step")
				} else {
					require.ErrorContains(t, err, "stays open")
				}
			})
		})
	}
}
