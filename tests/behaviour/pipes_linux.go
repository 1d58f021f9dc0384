package behaviour

// Large bodies of many clients at once, through the server and its relay. In stages 3 and 4 they go
// by pipes from socket to socket, and a pipe is used by one client after the other.
//
// Each body is known by its number, so that no byte of one can pass for another's. What must not be
// done: nothing here may depend on how much goes by a pipe, as that is for each stage to decide.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

const (
	mixedSize    = 2 << 20
	mixedClients = 12 // at once, each way
	mixedRounds  = 3
	mostPipeEnds = 2 * 16 // descriptors that one thread may have for pipes
)

// mixedBody is the body of that number.
func mixedBody(number int) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{byte(number), byte(number >> 8)}), mixedSize)
}

// mixedBackend answers /N with body N, or breaks off in the middle of /N/cut.
func mixedBackend(w http.ResponseWriter, r *http.Request) {
	number, cut, _ := strings.Cut(r.URL.Path[1:], "/")
	n, _ := strconv.Atoi(number)
	w.Header().Set("Content-Length", fmt.Sprint(mixedSize))
	if cut == "" {
		io.Copy(w, mixedBody(n))
		return
	}
	io.CopyN(w, mixedBody(n), mixedSize/2)
	w.(http.Flusher).Flush()
	c, _, _ := w.(http.Hijacker).Hijack()
	c.Close()
}

var _ = test("LargeBodiesOfManyClientsStayApart", largeBodiesOfManyClientsStayApart, perDriver("pipes"))

// largeBodiesOfManyClientsStayApart: some clients are fast, some are slow, some leave in the
// middle, and some are cut off with their upstream. All get their own bytes, and nothing is left
// for others.
func largeBodiesOfManyClientsStayApart(t *testing.T) {
	b := startBackend(t, "tcp", mixedBackend)
	args := []string{"-workers", "1", "-listen", "127.0.0.1:0", "-proxy", "/=" + b.addr, "-rate", "0", "-ban-after", "0", "-max-conns-per-client", "0", "-proxy-buffer", "128"}
	if !oneThreadEach() {
		args = append(args, "-relay", "127.0.0.2:0="+strings.TrimPrefix(b.addr, "http://"))
	} else {
		args[1] = strconv.Itoa(mixedClients)
	}
	s := harness.Start(t, args...)
	ways := []string{s.Addr}
	if !oneThreadEach() {
		ways = append(ways, s.Log.Await(t, relayingOn)[1])
	}
	before := len(pipeEnds(t, s))
	for round := range mixedRounds {
		var all sync.WaitGroup
		for i := range mixedClients * len(ways) {
			all.Go(func() { mixedClient(t, ways[i%len(ways)], i, (i/len(ways)+round)%4) })
		}
		all.Wait()
	}
	harness.Eventually(t, "no pipe holds anything", func() bool {
		for _, path := range pipeEnds(t, s) {
			if holds(path) > 0 {
				return false
			}
		}
		return true
	})
	require.LessOrEqual(t, len(pipeEnds(t, s)), before+mostPipeEnds)
}

// mixedClient is one client, of one of four kinds.
func mixedClient(t *testing.T, addr string, number, kind int) {
	conn, err := net.Dial("tcp", addr)
	if !assert.NoError(t, err) {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(harness.Patience))
	path, most := fmt.Sprint("/", number), int64(mixedSize)
	switch kind {
	case 1:
		conn.(*net.TCPConn).SetReadBuffer(128 << 10) // slower than what comes for it
	case 2:
		most /= 3 // and it leaves
	case 3:
		path += "/cut"
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if !assert.NoError(t, err) {
		return
	}
	got, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if kind == 3 {
		assert.Error(t, err, "what is cut must look cut")
	} else {
		assert.NoError(t, err)
		assert.EqualValues(t, most, len(got))
	}
	want := make([]byte, len(got))
	io.ReadFull(mixedBody(number), want)
	assert.True(t, bytes.Equal(want, got), "bytes of client %d, of kind %d", number, kind)
}

// pipeEnds are the ends of pipes that the server has open, except for its standard ones.
func pipeEnds(t testing.TB, s *harness.Server) (paths []string) {
	for _, pid := range s.Processes(t) {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, l := range links {
			fd, _ := strconv.Atoi(filepath.Base(l))
			if to, _ := os.Readlink(l); fd > unix.Stderr && strings.HasPrefix(to, "pipe:") {
				paths = append(paths, l)
			}
		}
	}
	return paths
}

// ownDescriptors is how many descriptors the server has open besides pipes: those are for whoever
// comes next.
func ownDescriptors(t testing.TB, s *harness.Server) int {
	return s.Descriptors(t) - len(pipeEnds(t, s))
}

// holds is how many bytes are in a pipe (FIONREAD, ioctl_tty(2)).
func holds(path string) int {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0 // it is closed by now
	}
	defer unix.Close(fd)
	n, _ := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return n
}
