package behaviour

// Little memory, as a control group sets it, in both versions.
//
// It needs root and a control group that it may make; it is skipped elsewhere.

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

var (
	_ = test("CrowdInLittleMemory", crowdInLittleMemory)
	_ = test("IdleConnectionsInLittleMemory", idleConnectionsInLittleMemory)
	_ = test("LargeSiteInLittleMemory", largeSiteInLittleMemory)
	_ = test("SlowReadersInLittleMemory", slowReadersInLittleMemory)
	_ = test("RelaysInLittleMemory", relaysInLittleMemory)
	_ = test("UploadsInLittleMemory", uploadsInLittleMemory)
	_ = test("TheKernelKeepsLittleInLittleMemory", theKernelKeepsLittleInLittleMemory, once("sysnet"))
)

// crowdInLittleMemory: clients that hold more than there is memory for, here by heads that do not
// end, are refused. They do not have the kernel end the server, which serves when they have gone.
// Meanwhile it answers who may end it: what it is asked comes whole, and takes no memory.
func crowdInLittleMemory(t *testing.T) {
	if oneThreadEach() {
		t.Skip("a thread that blocks has one connection, so its clients hold little")
	}
	s := inLittleMemory(t, 64<<20, "-workers", "2", "-adaptive", "off", "-head-timeout", "300")
	leave := readNothing(t, s.Addr, 6000, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: "+strings.Repeat("x", 8000))
	harness.Eventually(t, "all memory is held", func() bool { return statusOf(s, "/") == http.StatusServiceUnavailable })
	for _, path := range []string{"/livez", "/readyz", "/health", "/stats", "/metrics"} {
		assert.Equal(t, http.StatusOK, statusOf(s, path), path)
	}
	leave()
	stillServes(t, s)
	assert.NotZero(t, strings.Count(s.Log.String(), "memory-short"), "some were refused")
}

// idleConnectionsInLittleMemory: connections that hold nothing of ours take the kernel's memory,
// and that counts too. As many are let in as there is memory for.
func idleConnectionsInLittleMemory(t *testing.T) {
	s := inLittleMemory(t, 40<<20, "-workers", "2", "-adaptive", "off")
	leave := readNothing(t, s.Addr, 9000, "HEAD /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
	leave()
	stillServes(t, s)
	require.Regexp(t, `max-conns lowered from 50000 to \d+: there are 40 MiB of memory`, s.Log.String())
}

// largeSiteInLittleMemory: files that are more than the memory there is are asked for, one after
// the other. What is kept of them leaves room, in all processes together: of several, which each
// keep their own, so many clients ask that each is asked for all files.
func largeSiteInLittleMemory(t *testing.T) {
	const files, size = 1600, 60 << 10
	clients := 2
	if hasMaster() {
		clients = 8
	}
	root := t.TempDir()
	text := []byte(strings.Repeat("x", size))
	for i := range files {
		require.NoError(t, os.WriteFile(filepath.Join(root, fmt.Sprint(i, ".png")), text, 0o644))
	}
	s := inLittleMemory(t, 64<<20, "-root", root, "-workers", "4", "-max-requests", "0")
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			client := http.Client{Timeout: harness.Patience}
			defer client.CloseIdleConnections()
			for i := range files {
				answer, err := client.Get(s.URL(fmt.Sprintf("/%d.png", i)))
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, 200, answer.StatusCode)
				answer.Body.Close()
			}
		})
	}
	all.Wait()
	stillServes(t, s)
}

// slowReadersInLittleMemory: a thousand clients ask for more than there is memory for, of a server
// behind this one that sends as fast as it can, and read nothing. What has no place waits there.
func slowReadersInLittleMemory(t *testing.T) {
	if oneThreadEach() {
		t.Skip("a thread that blocks has one connection, so its clients hold little")
	}
	target := startTalker(t, "HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
	s := inLittleMemory(t, 96<<20, "-proxy", "/=http://"+target.Addr().String(), "-workers", "2", "-adaptive", "off", "-min-rate", "0")
	leave := readNothing(t, s.Addr, 1000, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	target.awaitSilence(t)
	leave()
	stillServes(t, s)
}

// theKernelKeepsLittleInLittleMemory: what a client that reads fast, and then nothing, leaves in
// the kernel is bounded where memory is.
func theKernelKeepsLittleInLittleMemory(t *testing.T) {
	const read, most = 32 << 20, 512 << 10
	root := t.TempDir()
	file := filepath.Join(root, "large.txt")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.NoError(t, os.Truncate(file, 4*read))
	s := inLittleMemory(t, 96<<20, "-root", root, "-workers", "1", "-min-rate", "0")
	c := s.Dial(t)
	_, err := io.WriteString(c, "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, c, read)
	require.NoError(t, err)
	socket := socketOf(t, append(s.Children(t), s.PID), c.LocalAddr().String())
	kept := func() int64 {
		bytes, err := unix.IoctlGetInt(socket, unix.SIOCOUTQ) // tcp(7)
		require.NoError(t, err)
		return int64(bytes)
	}
	awaitStill(t, "the socket is full", kept)
	require.Positive(t, kept())
	require.LessOrEqual(t, kept(), int64(most))
}

// socketOf is a copy of the socket, of one of some processes, whose other end is a client's
// (pidfd_getfd(2)). A table of all sockets of a machine (proc_net_tcp) takes seconds to read where
// others have thousands.
func socketOf(t *testing.T, pids []int, client string) int {
	for _, pid := range pids {
		process, err := unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		defer unix.Close(process)
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		require.NoError(t, err)
		for _, entry := range open {
			number, err := strconv.Atoi(entry.Name())
			require.NoError(t, err)
			fd, err := unix.PidfdGetfd(process, number, 0)
			if err != nil {
				continue // it has been closed meanwhile
			}
			peer, _ := unix.Getpeername(fd)
			if in, ok := peer.(*unix.SockaddrInet4); ok && netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String() == client {
				t.Cleanup(func() { unix.Close(fd) })
				return fd
			}
			unix.Close(fd)
		}
	}
	require.Fail(t, "no process has such a socket", client)
	return -1
}

// relaysInLittleMemory: the same through a relay, which turns away whom it has no memory for.
func relaysInLittleMemory(t *testing.T) {
	if oneThreadEach() {
		t.Skip("stage 1 has no relays")
	}
	target := startTalker(t, "")
	s := inLittleMemory(t, 64<<20, "-relay", "127.0.0.2:0="+target.Addr().String(), "-workers", "2", "-adaptive", "off")
	leave := readNothing(t, s.Log.Await(t, relayingOn)[1], 3000, "")
	target.awaitSilence(t)
	leave()
	stillServes(t, s)
	assert.NotZero(t, strings.Count(s.Log.String(), "memory-short"), "some were turned away")
}

// uploadsInLittleMemory: uploads that do not end, each with as much as waits in memory where there
// is enough of it.
func uploadsInLittleMemory(t *testing.T) {
	if oneThreadEach() {
		t.Skip("a thread that blocks has one connection, so its clients hold little")
	}
	s := inLittleMemory(t, 96<<20, "-root", rootWithUploads(t), "-workers", "2", "-adaptive", "off", "-min-rate", "0")
	head := "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
	leave := readNothing(t, s.Addr, 1500, head+`"`+strings.Repeat("x", 60_000))
	awaitStill(t, "all that has come is read", func() int64 { return bodyBytes(s) })
	leave()
	stillServes(t, s)
}

// talker is a server that says a head to whoever connects, and then more and more.
type talker struct {
	net.Listener
	said atomic.Int64 // bytes, to all
}

func startTalker(t *testing.T, head string) *talker {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	k := &talker{Listener: ln}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go k.talk(c, head)
		}
	}()
	return k
}

func (k *talker) talk(c net.Conn, head string) {
	defer c.Close()
	more := make([]byte, 64<<10)
	for n, err := fmt.Fprint(c, head); err == nil; n, err = c.Write(more) {
		k.said.Add(int64(n))
	}
}

// awaitSilence waits until nobody takes anything of what the talker says.
func (k *talker) awaitSilence(t *testing.T) { awaitStill(t, "nobody takes any more", k.said.Load) }

// awaitStill waits until a number has been the same for a while.
func awaitStill(t *testing.T, says string, number func() int64) {
	const looks = 40 // in a row
	last, same := int64(-1), 0
	harness.Eventually(t, says, func() bool {
		if now := number(); now == last {
			same++
		} else {
			last, same = now, 0
		}
		return same == looks
	})
}

var bodyBytesOf = regexp.MustCompile(`(?m)^fourways_request_body_bytes_total (\d+)$`)

// bodyBytes is how much the server has read of bodies; 0 while it does not answer.
func bodyBytes(s *harness.Server) int64 {
	answer, err := http.Get(s.URL("/metrics"))
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if m := bodyBytesOf.FindSubmatch(text); m != nil {
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return n
	}
	return 0
}

// readNothing has so many clients connect, say something and read nothing, until they leave.
func readNothing(t *testing.T, addr string, n int, say string) (leave func()) {
	conns := make([]net.Conn, n)
	var all sync.WaitGroup
	for part := range 20 {
		all.Go(func() {
			for i := part; i < n; i += 20 {
				if c, err := net.DialTimeout("tcp", addr, harness.Patience); err == nil {
					fmt.Fprint(c, say)
					conns[i] = c
				}
			}
		})
	}
	all.Wait()
	return func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}
}

// stillServes says that the server serves, and that none of its processes was ended meanwhile.
func stillServes(t *testing.T, s *harness.Server) {
	require.False(t, s.Ended(), s.Log.Tail(5))
	harness.Eventually(t, "the server serves", func() bool {
		status := statusOf(s, "/")
		return status != 0 && status != http.StatusServiceUnavailable
	})
	require.False(t, strings.Contains(s.Log.String(), "has died"), s.Log.Tail(5))
}

// statusOf asks for a path over a connection of its own, and returns 0 for no answer.
func statusOf(s *harness.Server, path string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: harness.Patience}
	answer, err := client.Get(s.URL(path))
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// inLittleMemory starts the server in a control group of so many bytes.
func inLittleMemory(t *testing.T, most int64, args ...string) *harness.Server {
	limit := controlGroup(t, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max")
	require.NoError(t, os.WriteFile(limit, fmt.Append(nil, most), 0))
	script := `echo $$ >"$0/cgroup.procs" && exec "$@"`
	cmd := exec.Command("sh", append([]string{"-c", script, filepath.Dir(limit), harness.Binary(), "-listen", "127.0.0.1:0"}, args...)...)
	return harness.StartCommand(t, cmd)
}
