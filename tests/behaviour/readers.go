package behaviour

// Clients that read late, or never, or send on after the answer; and files and signals that
// make a system call take longer, or return early.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

var _ = test("PausedReader", pausedReader, perDriver("sockets"))

// pausedReader: a client that stops reading in mid-answer, for longer than any single
// write waits, gets every byte in the end.
func pausedReader(t *testing.T) {
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i ^ i>>8 ^ i>>16)
	}
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "big.txt"), content, 0o644))
	s := harness.Start(t, "-root", root, "-sock-buf", "16384")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	var got []byte
	for range 3 {
		time.Sleep(1200 * time.Millisecond) // nothing happens: that is the test
		part := make([]byte, 100_000)
		n, err := io.ReadFull(resp.Body, part)
		require.NoError(t, err)
		got = append(got, part[:n]...)
	}
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, append(got, rest...)))
}

var _ = test("AbsentReader", absentReader)

// absentReader: a client that asks for much and reads nothing is cut, though it does
// nothing that could wake anybody.
func absentReader(t *testing.T) {
	s := harness.Start(t, "-root", rootWith(t, "big.txt", 1<<30), "-min-rate", "10000000")
	c := s.Dial(t)
	fmt.Fprintf(c, "GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.Log.Await(t, regexp.MustCompile("reason=reader-too-slow"))
	harness.Eventually(t, "its connection is closed", func() bool { return nobodyElse(t, s) })
}

var _ = test("ColdFiles", coldFiles)

// coldFiles: a file that is on the disk and not in memory is sent like any other.
func coldFiles(t *testing.T) {
	root := t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	path := filepath.Join(root, "cold.txt")
	require.NoError(t, os.WriteFile(path, content, 0o644))
	s := harness.Start(t, "-root", root)
	for range 3 {
		harness.DropFromCache(t, path)
		status, body := s.Get(t, "/cold.txt")
		require.Equal(t, 200, status)
		require.True(t, bytes.Equal(content, body))
	}
}

var _ = test("RefusalWhileSending", refusalWhileSending)

// refusalWhileSending: a client that is refused in the middle of its body, and goes on
// sending, can read the whole answer and then the end of the stream. A socket closed at
// once would reset it.
func refusalWhileSending(t *testing.T) {
	s := harness.Start(t)
	for range 10 {
		c := s.Dial(t)
		fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n")
		for range 20 {
			if _, err := c.Write(make([]byte, 20_000)); err != nil {
				t.Fatalf("reset while sending: %v", err)
			}
		}
		answer, err := io.ReadAll(c)
		require.NoError(t, err, "no reset")
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 413 "), "%.40q", answer)
		c.Close()
	}
}

var _ = test("Interruptions", interruptions)

// interruptions: a signal may end any system call early (EINTR, signal(7)); nobody must
// notice. Go's scheduler sends its own at any time.
func interruptions(t *testing.T) {
	s := harness.Start(t)
	var conns []net.Conn
	for range 4 {
		c := s.Dial(t)
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\n") // whoever serves it waits for the rest now
		conns = append(conns, c)
	}
	for range 20 {
		s.InterruptThreads(t)
		status, _ := s.Get(t, "/about.html")
		require.Equal(t, 200, status)
	}
	for _, c := range conns {
		fmt.Fprintf(c, "Host: localhost\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 200 "), "%.40q", answer)
	}
}
