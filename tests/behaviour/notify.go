package behaviour

// What a service manager hears of a stage (sd_notify(3)).
//
// Each test owns the socket that it listens on as the manager. What must not be done: no test may
// suppose that the manager reads, since one that hangs must not hold the server up.

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// manager is a service manager's end: a socket that states are sent to.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	m, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	require.NoError(t, m.SetReadDeadline(time.Now().Add(harness.Patience)))
	return m
}

// managed is a server that reports to it.
func managed(t *testing.T, path string, args ...string) *harness.Server {
	t.Helper()
	cmd := exec.Command(harness.Binary(), append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path)
	return harness.StartCommand(t, cmd)
}

// monotonic is the time by which a manager knows an answer to this reload from one to an earlier
// one, in microseconds (clock_gettime(2), CLOCK_MONOTONIC).
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return now.Nano() / 1000
}

var _ = test("ServiceManager", serviceManager)

// serviceManager: it hears when the server is ready, reloads, is ready again, and stops. It hears
// nothing else, not even of a HUP while the server stops.
func serviceManager(t *testing.T) {
	m := manager(t)
	s := managed(t, m.LocalAddr().String(), "-drain-delay", "600")
	hears := func(what ...string) string {
		t.Helper()
		b := make([]byte, 4096)
		n, err := m.Read(b)
		require.NoError(t, err)
		for _, line := range what {
			require.Contains(t, string(b[:n]), line)
		}
		return string(b[:n])
	}
	ready := fmt.Sprintf("MAINPID=%d", s.PID)
	hears("READY=1", ready)
	for range 2 {
		before := monotonic(t)
		s.Signal(t, syscall.SIGHUP)
		said := hears("RELOADING=1", "MONOTONIC_USEC=")
		var at int64
		_, err := fmt.Sscanf(said, "RELOADING=1\nMONOTONIC_USEC=%d", &at)
		require.NoError(t, err)
		require.GreaterOrEqual(t, at, before, "systemd believes no answer from before its signal")
		require.LessOrEqual(t, at, monotonic(t))
		hears("READY=1", ready)
	}
	s.Signal(t, syscall.SIGTERM)
	hears("STOPPING=1")
	s.Signal(t, syscall.SIGHUP)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.NoError(t, m.SetReadDeadline(time.Now().Add(time.Millisecond)))
	for b := make([]byte, 4096); ; { // stage 4 says again that it stops, when it does so at once
		n, err := m.Read(b)
		if err != nil {
			break
		}
		require.Equal(t, "STOPPING=1", string(b[:n]))
	}
}

var _ = test("SocketsFromTheServiceManager", socketsFromTheServiceManager)

// socketsFromTheServiceManager: it opens the sockets, passes them on, and keeps them when the
// server has ended: who connects then is served by the next. Those that -tls-listen names speak
// TLS.
func socketsFromTheServiceManager(t *testing.T) {
	root, dir := certstest.Root(t), t.TempDir()
	pair := Pair(dir, "pair", root.Leaf("localhost"))
	path := filepath.Join(dir, "socket")
	plain, secured, local := listening(t, "tcp", "127.0.0.1:0"), listening(t, "tcp", "127.0.0.1:0"), listening(t, "unix", path)
	_, port, err := net.SplitHostPort(secured.addr)
	require.NoError(t, err)
	args := append(pair, "-tls-listen", ":"+port, "-tls-listen", "unix:"+path, "-workers", "2")
	asks := func() {
		c := dialed(t, plain.addr)
		defer c.Close()
		status, err := Exchange(c, "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
		status, _, err = GetTLS(secured.addr, Client(root, "localhost"), "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
		raw, err := net.DialTimeout("unix", path, harness.Patience)
		require.NoError(t, err)
		defer raw.Close()
		status, err = Exchange(tls.Client(raw, Client(root, "localhost")), "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	for range 2 {
		s := harness.StartCommand(t, activation(args, plain, secured, local))
		asks()
		s.Signal(t, syscall.SIGTERM)
		early := make(chan error)
		go func() { // it is served by whichever of the two there is
			_, _, err := GetTLS(secured.addr, Client(root, "localhost"), "/")
			early <- err
		}()
		require.Zero(t, s.Wait(t))
		s = harness.StartCommand(t, activation(args, plain, secured, local))
		require.NoError(t, <-early)
		asks()
		s.Signal(t, syscall.SIGTERM)
		require.Zero(t, s.Wait(t))
		require.FileExists(t, path)
	}
	out, err := activation(append(pair, "-tls-listen", ":1"), secured).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "is none of the sockets that systemd has opened")
	for _, number := range []string{"2", "9223372036854775807", "9223372036854775808", "-1", ""} {
		cmd := activation([]string{"-workers", "1"}, plain)
		cmd.Args[2] = strings.Replace(cmd.Args[2], "LISTEN_FDS=1", "LISTEN_FDS="+number, 1)
		timer := time.AfterFunc(harness.Patience, func() { cmd.Process.Signal(syscall.SIGTERM) })
		out, err := cmd.CombinedOutput()
		timer.Stop()
		require.Error(t, err, "%q sockets, and one is there", number)
		require.Contains(t, string(out), "LISTEN_FDS")
	}
}

var _ = test("SelfSignedUnderTheServiceManager", selfSignedUnderTheServiceManager, perProcess("app"))

// selfSignedUnderTheServiceManager: the certificate is for the addresses of the sockets, and not
// for those of the flags that name them, also once the settings are read again.
func selfSignedUnderTheServiceManager(t *testing.T) {
	plain, secured := listening(t, "tcp", "127.0.0.1:0"), listening(t, "tcp", "127.0.0.1:0")
	file := filepath.Join(t.TempDir(), "settings")
	_, port, err := net.SplitHostPort(secured.addr)
	require.NoError(t, err)
	settings := "tls-listen 0.0.0.0:" + port + "\ntls-self-signed\nworkers 1\n"
	require.NoError(t, os.WriteFile(file, []byte(settings), 0o600))
	cmd := activation([]string{"-config", file}, plain, secured)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	s := harness.StartCommand(t, cmd)
	client := &tls.Config{InsecureSkipVerify: true}
	before := served(t, secured.addr, client)
	require.NoError(t, os.WriteFile(file, []byte(settings+"rate 77\n"), 0o600))
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`Settings changed: -rate(?s:.*)fingerprint|Reloaded: all workers`))
	require.True(t, before.Equal(served(t, secured.addr, client)))
}

// handed is a socket that listens, for the server to get.
type handed struct {
	addr string
	file *os.File
}

// listening opens one. It stays open until the test ends.
func listening(t *testing.T, network, addr string) handed {
	t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // as systemd's are: what holds for the one need not hold for the other
	l, err := plain.Listen(t.Context(), network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	file, err := l.(interface{ File() (*os.File, error) }).File()
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return handed{l.Addr().String(), file}
}

// activation is the stage as a service manager starts it, with its sockets. LISTEN_PID is the
// process's own, so a shell sets it and becomes the server (sd_listen_fds(3)).
func activation(args []string, sockets ...handed) *exec.Cmd {
	script := fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$0" "$@"`, len(sockets))
	cmd := exec.Command("sh", append([]string{"-c", script, harness.Binary()}, args...)...)
	for _, s := range sockets {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.file)
	}
	return cmd
}

var _ = test("ServiceManagerThatHangs", serviceManagerThatHangs, perProcess("app"))

// serviceManagerThatHangs: whoever is to be told what the server does may stand still. The server
// starts, hears signals and ends all the same.
func serviceManagerThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	fd, err := socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.SetNonblock(fd, true))
	require.NoError(t, unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
	for err == nil { // until its queue is full
		err = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: path})
	}
	require.ErrorIs(t, err, unix.EAGAIN)
	s := managed(t, path)
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	s.Signal(t, syscall.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.NotZero(t, s.Log.Count("systemd not notified"))
}

var _ = test("RelaysOnSocketsFromTheServiceManager", relaysOnSocketsFromTheServiceManager)

// relaysOnSocketsFromTheServiceManager: those that -relay names by their port or path are relayed,
// also to a target that speaks first, and the others are not.
func relaysOnSocketsFromTheServiceManager(t *testing.T) {
	if oneThreadEach() {
		t.Skip("stage 1 has no relays")
	}
	const greeting = "target:"
	target, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { target.Close() })
	go func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, greeting)
				io.Copy(c, c)
			}()
		}
	}()
	path := filepath.Join(t.TempDir(), "socket")
	plain, relayed, local := listening(t, "tcp", "127.0.0.1:0"), listening(t, "tcp", "127.0.0.1:0"), listening(t, "unix", path)
	_, port, err := net.SplitHostPort(relayed.addr)
	require.NoError(t, err)
	to := "=" + target.Addr().String()
	args := []string{"-relay", ":" + port + to, "-relay", "unix:" + path + to, "-workers", "2"}
	for range 2 {
		s := harness.StartCommand(t, activation(args, plain, relayed, local))
		for network, addr := range map[string]string{"tcp": relayed.addr, "unix": path} {
			c, err := net.DialTimeout(network, addr, harness.Patience)
			require.NoError(t, err)
			require.NoError(t, c.SetDeadline(time.Now().Add(harness.Patience)))
			got := make([]byte, len(greeting))
			_, err = io.ReadFull(c, got)
			require.NoError(t, err)
			require.Equal(t, greeting, string(got))
			_, err = io.WriteString(c, "there and back")
			require.NoError(t, err)
			require.NoError(t, c.(end).CloseWrite())
			back, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, "there and back", string(back))
			c.Close()
		}
		status, err := Exchange(dialed(t, plain.addr), "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
		s.Signal(t, syscall.SIGTERM)
		require.Zero(t, s.Wait(t))
		require.FileExists(t, path, "it is the manager's")
	}
	out, err := activation([]string{"-relay", ":1" + to}, plain).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "is none of the sockets that systemd has opened")
}
