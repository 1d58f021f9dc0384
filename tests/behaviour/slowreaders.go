package behaviour

// Readers that are slower than who sends to them: what waits for them is kept by the server, in
// memory and then in files without names, and the sender is free.
//
// The target is the test's own. What it sends is numbered, so a byte that is missing, doubled or
// another connection's is seen.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/sysnet"
	"fourways/tests/harness"
)

var _ = alone("SlowReadersDoNotHoldWhoSends", func(t *testing.T) { slowReadersOf(t, 40, 4<<20) }, perDriver("queues"))
var _ = test("APipeIsNotWaitedForLongerThanAMoment", readerOfPipes, perDriver("pipes"))
var _ = test("AReaderWhoLeavesTakesWhatWaitsAlong", readersWhoLeave)
var _ = test("WhatWaitsForAReaderEndsWithTheServer", killedWhileReadersWait)
var _ = test("AFullDiskSlowsAndNeverCuts", fullDiskOfReaders)
var _ = test("FilesOfSlowReadersLeaveRoomForOthers", filesOfSlowReaders)

// awaited is how long a test waits for what must come.
const awaited = 60 * time.Second

// sender is a target that sends each of its connections so many bytes, which the connection's
// first 8 bytes name, and ends its direction.
type sender struct {
	net.Listener
	sent chan error // of each connection, when all is said
}

func newSender(t *testing.T, each int64) *sender {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	s := &sender{ln, make(chan error, 1024)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s.sent <- say(c.(*net.TCPConn), each)
				io.Copy(io.Discard, c) // until the client ends its direction
			}()
		}
	}()
	return s
}

// say sends one connection what it is to get.
func say(c *net.TCPConn, n int64) error {
	var seed [32]byte
	if _, err := io.ReadFull(c, seed[:8]); err != nil {
		return err
	}
	if _, err := io.CopyN(c, rand.NewChaCha8(seed), n); err != nil {
		return err
	}
	return c.CloseWrite()
}

// reader is a client who has asked and does not read yet.
type reader struct {
	*net.TCPConn
	seed [32]byte
	left int64
}

func (s *slowServer) reader(t *testing.T, number int) *reader {
	c, err := net.Dial("tcp", s.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	r := &reader{TCPConn: c.(*net.TCPConn), left: s.each}
	require.NoError(t, r.SetReadBuffer(64<<10))
	require.NoError(t, r.SetDeadline(time.Now().Add(2*awaited)))
	binary.LittleEndian.PutUint64(r.seed[:], uint64(number))
	_, err = r.Write(r.seed[:8])
	require.NoError(t, err)
	return r
}

// readAll reads all and compares it.
func (r *reader) readAll(t *testing.T) {
	t.Helper()
	want, got, expected := rand.NewChaCha8(r.seed), make([]byte, 64<<10), make([]byte, 64<<10)
	for r.left > 0 {
		n, err := r.Read(got[:min(r.left, int64(len(got)))])
		require.NoError(t, err, "%d bytes before the end", r.left)
		want.Read(expected[:n])
		if !bytes.Equal(got[:n], expected[:n]) {
			require.FailNow(t, "other bytes than were sent", "%d before the end", r.left)
		}
		r.left -= int64(n)
	}
	_, err := r.Read(got)
	require.Equal(t, io.EOF, err, "and no more")
}

// slowServer is a server with a relay to a sender, and a folder for what waits.
type slowServer struct {
	*harness.Server
	target *sender
	addr   string
	dir    string
	each   int64 // bytes that each reader gets
}

func newSlowServer(t *testing.T, dir string, each int64, flags ...string) *slowServer {
	if oneThreadEach() {
		t.Skip("stage 1 has no relays")
	}
	target := newSender(t, each)
	s := harness.Start(t, append([]string{"-listen", "127.0.0.1:0", "-relay", "127.0.0.1:0=" + target.Addr().String(),
		"-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir}, flags...)...)
	return &slowServer{Server: s, target: target, addr: s.Log.Await(t, relayingOn)[1], dir: dir, each: each}
}

// allSaid waits until the target has said all to so many connections.
func (s *slowServer) allSaid(t *testing.T, connections int) {
	t.Helper()
	for i := range connections {
		select {
		case err := <-s.target.sent:
			require.NoError(t, err)
		case <-time.After(awaited):
			require.Fail(t, "the target is held", "%d of %d have all, %+v waits", i, connections, s.waiting(t))
		}
	}
}

// waiting is what waits for readers, in bytes.
type waiting struct{ Memory, Disk int64 }

func (s *slowServer) waiting(t *testing.T) waiting {
	t.Helper()
	return waitingAt(t, s.Server)
}

// waitingAt is what waits for the readers of a server, by its /stats.
func waitingAt(t testing.TB, s *harness.Server) waiting {
	t.Helper()
	status, body := s.Get(t, "/stats")
	require.Equal(t, 200, status)
	var told struct{ Queues waiting }
	require.NoError(t, json.Unmarshal(body, &told))
	return told.Queues
}

// nothingWaits says that nothing is left, of memory, of the disk and of descriptors.
func (s *slowServer) nothingWaits(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "nothing waits any more", func() bool { return s.waiting(t) == waiting{} })
	harness.Eventually(t, "the files are closed", func() bool { return s.files(t) == 0 })
	s.noNames(t)
}

func (s *slowServer) noNames(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, entries, "no file has a name")
}

// files counts the files in the folder that the server has open.
func (s *slowServer) files(t *testing.T) (n int) {
	for _, pid := range s.Processes(t) {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, l := range links {
			if to, _ := os.Readlink(l); strings.HasPrefix(to, s.dir+"/") {
				n++
			}
		}
	}
	return n
}

// slowReadersOf has many clients who do not read. The target is free as soon as it has said all,
// and another client gets everything meanwhile.
func slowReadersOf(t *testing.T, readers int, each int64) {
	s := newSlowServer(t, t.TempDir(), each, "-max-conns-per-client", "0")
	before := s.Memory(t)
	var slow []*reader
	for i := range readers {
		slow = append(slow, s.reader(t, i))
	}
	s.allSaid(t, readers)
	for i := range 8 {
		s.reader(t, 1000+i).readAll(t)
	}
	w := s.waiting(t)
	require.Greater(t, w.Memory+w.Disk, int64(readers)*each/2, "the server has it: %+v", w)
	require.Greater(t, w.Disk, w.Memory)
	require.LessOrEqual(t, w.Memory, int64(readers)*(1<<20))
	require.Less(t, int64(s.Memory(t)-before)<<10, int64(readers)*(1<<20+512<<10), "bytes of the processes' memory")
	require.Positive(t, s.files(t))
	s.noNames(t)
	for _, r := range slow {
		r.readAll(t)
	}
	s.nothingWaits(t)
}

// readerOfPipes: a reader's buffers fill up with pieces that come one at a time, each whole, and so
// go by a pipe. The pipe that they do not take is emptied into memory, and the sender is free.
func readerOfPipes(t *testing.T) {
	const piece, all = 32 << 10, 1 << 20
	r := relayFrom(t, "-sock-buf", "65536")
	client, target := r.pair(t)
	require.NoError(t, client.(*net.TCPConn).SetReadBuffer(64<<10))
	for sent := piece; sent <= all; sent += piece {
		_, err := target.Write(make([]byte, piece))
		require.NoError(t, err)
		harness.Eventually(t, "the piece is passed on", func() bool { return r.figures(t).Relay.Bytes.Down == sent })
	}
	n, err := io.CopyN(io.Discard, client, all)
	require.NoError(t, err, "%d bytes", n)
}

func readersWhoLeave(t *testing.T) {
	s := newSlowServer(t, t.TempDir(), 8<<20)
	for i, leave := range []func(*reader){
		func(r *reader) { r.SetLinger(0); r.Close() },
		func(r *reader) { r.Close() },
	} {
		r := s.reader(t, i)
		s.allSaid(t, 1)
		require.Positive(t, s.waiting(t).Disk)
		leave(r)
		s.nothingWaits(t)
	}
}

// killedWhileReadersWait kills what has files: the whole server, or in stage 4 the workers, whose
// room others get.
func killedWhileReadersWait(t *testing.T) {
	s := newSlowServer(t, t.TempDir(), 16<<20, "-proxy-spill-total", "20")
	s.reader(t, 1)
	s.allSaid(t, 1)
	require.Positive(t, s.files(t))
	if !hasMaster() {
		s.Signal(t, syscall.SIGKILL)
		s.Wait(t)
		s.noNames(t)
		return
	}
	for i := range 3 {
		s.kill(t, s.Children(t)...)
		s.noNames(t)
		harness.Eventually(t, "a worker serves", func() bool { return serves(s.Server) })
		harness.Eventually(t, "nothing waits any more", func() bool { return s.waiting(t).Disk == 0 })
		s.reader(t, 2+i)
		s.allSaid(t, 1)
	}
}

func (s *slowServer) kill(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		p, err := os.FindProcess(pid)
		require.NoError(t, err)
		p.Kill()
	}
	harness.Eventually(t, "they have ended", func() bool {
		for _, pid := range pids {
			if links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)); len(links) > 0 {
				return false
			}
		}
		return true
	})
}

func fullDiskOfReaders(t *testing.T) {
	s := newSlowServer(t, smallDisk(t), 16<<20)
	r := s.reader(t, 1)
	harness.Eventually(t, "the disk is full", func() bool { return s.Log.Count("no space left") > 0 })
	other := s.reader(t, 2)
	r.readAll(t)
	other.readAll(t)
	s.allSaid(t, 2)
	most := 1
	if hasMaster() {
		most = 2 // a worker for each reader
	}
	require.LessOrEqual(t, s.Log.Count("no space left"), most, "it is logged once by each process")
	s.nothingWaits(t)
}

// filesOfSlowReaders: where few descriptors may be open, an eighth of them at most are files. The
// senders of the other slow readers wait, new clients are served, and everybody gets all.
func filesOfSlowReaders(t *testing.T) {
	const descriptors, readers, each = 200, 40, 2 << 20
	if oneThreadEach() {
		t.Skip("stage 1 has no relays")
	}
	target, dir := newSender(t, each), t.TempDir()
	server := harness.StartCommand(t, exec.Command("sh", "-c", `ulimit -n "$1" && shift && exec "$0" "$@"`, harness.Binary(), fmt.Sprint(descriptors),
		"-listen", "127.0.0.1:0", "-relay", "127.0.0.1:0="+target.Addr().String(), "-workers", "1",
		"-sock-buf", "65536", "-proxy-buffer", "64", "-proxy-spill-dir", dir))
	s := &slowServer{Server: server, target: target, addr: server.Log.Await(t, relayingOn)[1], dir: dir, each: each}
	var slow []*reader
	for i := range readers {
		slow = append(slow, s.reader(t, i))
	}
	harness.Eventually(t, "some have files", func() bool { return s.files(t) >= descriptors/16 })
	for _, r := range slow {
		require.LessOrEqual(t, s.files(t), descriptors/8)
		status, _ := s.Get(t, "/")
		require.Equal(t, 200, status)
		r.readAll(t)
	}
	s.allSaid(t, readers)
	s.nothingWaits(t)
	require.Zero(t, s.Log.Count("Out of descriptors"))
}

var _ = test("FilesInMemoryAreWarnedOf", filesInMemoryAreWarnedOf)

// filesInMemoryAreWarnedOf: where what waits is to be on a disk, and the folder is in memory, one
// line says so.
func filesInMemoryAreWarnedOf(t *testing.T) {
	const dir = "/dev/shm"
	if !sysnet.InMemory(dir) {
		t.Skip("there is no such folder")
	}
	const line = `-proxy-spill-dir "/dev/shm" is in memory`
	s := harness.Start(t, "-proxy", "/x=http://127.0.0.1:1", "-proxy-spill-dir", dir, "-workers", "2")
	s.Get(t, "/health")
	require.Equal(t, 1, s.Log.Count(line))
	s = harness.Start(t, "-proxy", "/x=http://127.0.0.1:1", "-proxy-spill-dir", dir, "-proxy-spill", "0")
	require.Zero(t, s.Log.Count(line))
}
