//go:build linux

package main

// Changing settings, program and number of workers while clients are served. Each test has a server
// of its own. It waits for lines of the log and for processes, never for a time.

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// big is the size of a file that no socket's buffers hold, in bytes.
const big = 64 << 20

func rootWithBig(t *testing.T) string {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "about.html"), []byte("about"), 0o644))
	f, err := os.Create(filepath.Join(root, "big.txt"))
	require.NoError(t, err)
	require.NoError(t, f.Truncate(big))
	require.NoError(t, f.Close())
	return root
}

// Many reloads under load, with downloads that outlast them all: nobody notices.
func TestReloadsGoUnnoticed(t *testing.T) {
	t.Parallel()
	reloads := 20
	if harness.Race() {
		reloads = 5 // each takes seconds then
	}
	for _, accept := range []string{"shared", "reuseport"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-root", rootWithBig(t), "-accept", accept, "-workers", "2", "-min-rate", "0")
			ready(t, s, 2)
			descriptors := len(sockets(t, s.PID))
			l := newLoad(t, s.Addr)
			var downloads []func()
			for i := range reloads {
				if i%5 == 0 { // they outlast all that come later
					downloads = append(downloads, unbroken(t, s, "/big.txt", big))
				}
				s.Signal(t, unix.SIGHUP)
				s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(Reloaded: all.*){%d}`, i+1)))
				l.goesOn(t, 20)
			}
			for _, finish := range downloads {
				finish()
			}
			l.faultless(t)
			t.Logf("%d answered during %d reloads", l.answered.Load(), reloads)
			r := ready(t, s, 2)
			require.Zero(t, r.Workers[0].Restarts+r.Workers[1].Restarts, "a worker that is replaced has not died")
			require.Equal(t, descriptors, len(sockets(t, s.PID)), "the master's sockets")
			requireNoZombies(t, s.PID)
		})
	}
}

// What the file says is read again, and goes to the workers as the master has read it: one that is
// started later does not go by a file that has been changed since.
func TestAReloadReadsTheFileAnew(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "conf")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) }
	says := func(s *harness.Server, header string) {
		t.Helper()
		c := s.Dial(t)
		fmt.Fprint(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Contains(t, string(answer), header)
	}
	reloaded := func(s *harness.Server, says string) {
		t.Helper()
		s.Signal(t, unix.SIGHUP)
		s.Log.Await(t, regexp.MustCompile(says))
	}
	write("header X-State: one\nworkers 2\n")
	s := harness.Start(t, "-config", file, "--")
	ready(t, s, 2)
	says(s, "X-State: one")

	write("header X-State: two\nworkers 3\n")
	says(s, "X-State: one")
	reloaded(s, "Reloaded: all")
	ready(t, s, 3)
	says(s, "X-State: two")

	write("header X-State: three\nno-such-setting\n")
	replace(t, s, health4(t, s).Workers[0].PID, 3)
	for range 10 {
		says(s, "X-State: two")
	}
	reloaded(s, `(?s)Not reloaded, all stays as it was: .*no-such-setting`)
	write("header X-State: four\nroot /no/such/folder\n")
	reloaded(s, `(?s)Not reloaded, all stays as it was: .*/no/such/folder`)
	ready(t, s, 3)
	says(s, "X-State: two")

	write("header X-State: five\nworkers 1\n")
	reloaded(s, `(?s)(Reloaded: all.*){2}`)
	ready(t, s, 1)
	says(s, "X-State: five")
}

// One that is asked for while another is under way is not forgotten: the file may have
// changed since that read it.
func TestAReloadAskedForMeanwhileComesNext(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "conf")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) }
	write("workers 2\n")
	s := harness.Start(t, "-config", file)
	ready(t, s, 2)
	write("workers 3\n")
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Reloading: "))
	write("workers 1\n")
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`(?s)(Reloaded: all.*){2}`))
	ready(t, s, 1)
}

// With sockets of their own, workers that come and go share the address from the first on.
func TestWorkersWithSocketsOfTheirOwnKeepTheAddress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "conf")
	require.NoError(t, os.WriteFile(file, []byte("accept reuseport\nworkers 1\n"), 0o644))
	s := harness.Start(t, "-config", file, "-listen", "127.0.0.1:0")
	ready(t, s, 1)
	for i, workers := range []int{2, 1, 3} {
		require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "accept reuseport\nworkers %d\n", workers), 0o644))
		s.Signal(t, unix.SIGHUP)
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(Reloaded: all.*){%d}`, i+1)))
		ready(t, s, workers)
		require.Len(t, sockets(t, s.PID), workers, "one each")
	}
}

// A new worker that does not come up takes the whole reload back.
func TestAReloadWhoseWorkersDoNotLiveIsTakenBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "conf")
	require.NoError(t, os.WriteFile(file, []byte("workers 2\n"), 0o644))
	s := harness.Start(t, "-config", file)
	before := ready(t, s, 2)
	l := newLoad(t, s.Addr)
	require.NoError(t, os.WriteFile(file, []byte("workers 2\ninject-faults start:1\n"), 0o644))
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("the first new worker did not come up"))
	after := ready(t, s, 2)
	for i := range before.Workers {
		require.Equal(t, before.Workers[i].PID, after.Workers[i].PID)
	}
	replace(t, s, after.Workers[0].PID, 2) // by the settings from before, it lives
	l.end()
}

// Addresses come and go with a reload; those that stay are not closed for a moment.
func TestAReloadChangesTheAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "conf"), filepath.Join(dir, "socket")
	require.NoError(t, os.WriteFile(file, []byte("workers 2\n"), 0o644))
	s := harness.Start(t, "-config", file, "-listen", "127.0.0.1:0")
	ready(t, s, 2)
	require.NoError(t, os.WriteFile(file, []byte("workers 2\n"), 0o644))
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Reloaded: all"))
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status, "port 0 is the port that it got")

	other := harness.Start(t, "-config", file, "-listen", "unix:"+socket)
	ready(t, other, 2)
	other.Signal(t, unix.SIGHUP)
	other.Log.Await(t, regexp.MustCompile("Reloaded: all"))
	status, _ = other.Get(t, "/")
	require.Equal(t, 200, status)

	require.NoError(t, os.WriteFile(file, []byte("workers 2\nlisten 127.0.0.1:0\n"), 0o644))
	third := harness.StartCommand(t, exec.Command(harness.Binary(), "-config", file))
	ready(t, third, 2)
	require.NoError(t, os.WriteFile(file, []byte("workers 2\nlisten unix:"+socket+".2\n"), 0o644))
	third.Signal(t, unix.SIGHUP)
	third.Log.Await(t, regexp.MustCompile("Reloaded: all"))
	before := third.Addr
	third.Addr = socket + ".2"
	status, _ = third.Get(t, "/")
	require.Equal(t, 200, status, "the new address")
	harness.Eventually(t, "nobody listens at the old one", func() bool {
		c, err := net.Dial("tcp", before)
		if err == nil {
			c.Close()
		}
		return err != nil
	})

	require.NoError(t, os.WriteFile(file, []byte("workers 2\nlisten unix:"+socket+".3\n"), 0o644))
	third.Signal(t, unix.SIGHUP)
	third.Log.Await(t, regexp.MustCompile("(?s)(Reloaded: all.*){2}"))
	require.NoFileExists(t, third.Addr, "its name goes with the socket")
	third.Addr = socket + ".3"
	ready(t, third, 2)
}

// TTIN and TTOU add and remove a worker; a socket of its own comes and goes with it.
func TestTheNumberOfWorkersChanges(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"shared", "reuseport"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-workers", "1", "-accept", accept)
			ready(t, s, 1)
			l := newLoad(t, s.Addr)
			for n := 2; n <= 4; n++ {
				s.Signal(t, unix.SIGTTIN)
				ready(t, s, n)
				l.goesOn(t, 50)
			}
			if accept == "reuseport" {
				require.Len(t, sockets(t, s.PID), 4)
			}
			for n := 3; n >= 1; n-- {
				s.Signal(t, unix.SIGTTOU)
				harness.Eventually(t, "a worker is gone", func() bool { return len(s.Children(t)) == n })
				l.goesOn(t, 50)
			}
			if accept == "shared" {
				l.faultless(t)
			} else {
				// The kernel resets the handshakes that it has begun for a socket which is closed.
				l.end()
				require.Zero(t, l.refused.Load()+l.odd.Load())
				require.LessOrEqual(t, l.lost.Load(), int64(3*loadClients))
			}
			s.Signal(t, unix.SIGTTOU)
			s.Log.Await(t, regexp.MustCompile("The number of workers stays 1"))
		})
	}
}

// A new program takes the sockets and the memory over. Nobody is refused, nothing is cut,
// and it counts on where the old one was.
func TestANewProgramTakesOver(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"shared", "reuseport"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-root", rootWithBig(t), "-accept", accept, "-workers", "2")
			before := ready(t, s, 2)
			l := newLoad(t, s.Addr)
			l.goesOn(t, 500)
			finish := unbroken(t, s, "/big.txt", big)
			successor := handOver(t, s)
			s.Log.Await(t, regexp.MustCompile("The new program serves"))
			l.goesOn(t, 500)
			require.False(t, s.Ended(), "the old one still has a download")
			finish()
			require.Zero(t, s.Wait(t), "and then it ends")
			l.faultless(t)
			after := ready(t, s, 2)
			require.Equal(t, successor, after.Master.PID)
			require.GreaterOrEqual(t, after.Requests.Total, l.answered.Load(), "what the old program has counted")
			for _, w := range before.Workers {
				gone(t, w.PID)
			}
		})
	}
}

// handOver has the server hand over to a new program, which the test's cleanup stops.
func handOver(t *testing.T, s *harness.Server) (pid int) {
	t.Helper()
	before := s.Log.Count("Handing over to a new program")
	s.Signal(t, unix.SIGUSR2)
	said := s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(?:Handing over to a new program.*?pid=(\d+).*?){%d}`, before+1)))
	fmt.Sscan(said[1], &pid)
	t.Cleanup(func() {
		unix.Kill(pid, unix.SIGTERM)
		gone(t, pid)
	})
	return pid
}

// A new program that does not come up changes nothing.
func TestANewProgramThatDoesNotComeUpChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "server")
	install := func(with string) {
		harness.WriteProgram(t, program+".new", []byte(with))
		require.NoError(t, os.Rename(program+".new", program))
	}
	good, err := os.ReadFile(harness.Binary())
	require.NoError(t, err)
	install(string(good))
	s := harness.StartCommand(t, exec.Command(program, "-listen", "127.0.0.1:0", "-workers", "2"))
	ready(t, s, 2)
	l := newLoad(t, s.Addr)

	install("#!/bin/sh\nexit 7\n")
	s.Signal(t, unix.SIGUSR2)
	s.Log.Await(t, regexp.MustCompile("the new one has ended: exit status 7"))
	install("this is no program")
	s.Signal(t, unix.SIGUSR2)
	s.Log.Await(t, regexp.MustCompile("No hand-over"))
	ready(t, s, 2)
	l.goesOn(t, 100)
	replace(t, s, health4(t, s).Workers[0].PID, 2) // the workers are started from the program that runs, not from its file
	l.end()
	require.Zero(t, l.refused.Load()+l.odd.Load())

	install(string(good))
	successor := handOver(t, s)
	require.Zero(t, s.Wait(t))
	require.Equal(t, successor, ready(t, s, 2).Master.PID)
}

// As the first process of a container the master reaps orphans whom it does not know.
func TestAsTheFirstProcessItReapsOrphans(t *testing.T) {
	t.Parallel()
	if err := exec.Command("unshare", "--pid", "--fork", "true").Run(); err != nil {
		t.Skipf("no name space for processes: %v", err)
	}
	file := filepath.Join(t.TempDir(), "pid")
	// The shell becomes the server, so that the server is process 1 of the name space. The
	// orphan's parent ends while the server starts.
	script := fmt.Sprintf(`(sh -c 'sleep 0.2' & sleep 0.05) & echo $$ > %s; exec "$0" "$@"`, file)
	s := harness.StartCommand(t, exec.Command("unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script,
		harness.Binary(), "-listen", "127.0.0.1:0", "-workers", "2"))
	ready(t, s, 2)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "1", strings.TrimSpace(string(text)))
	server := s.Children(t)[0]
	harness.Eventually(t, "its two workers are its only children, and no zombie is left", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", server, server))
		return err == nil && len(strings.Fields(string(children))) == 2
	})
	require.NoError(t, unix.Kill(server, unix.SIGTERM))
	require.Zero(t, s.Wait(t))
}

// systemd passes the socket, and hears when the server is ready, reloads and stops.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	require.NoError(t, err)
	defer notify.Close()
	hears := func(what ...string) {
		t.Helper()
		b := make([]byte, 4096)
		n, err := notify.Read(b)
		require.NoError(t, err)
		for _, line := range what {
			require.Contains(t, string(b[:n]), line)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	file, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	// LISTEN_PID is the process's own, so a shell sets it and becomes the server.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, harness.Binary(), "-workers", "2", "-accept", "reuseport")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify.LocalAddr().String())
	s := harness.StartCommand(t, cmd)
	file.Close()
	listener.Close()
	require.Equal(t, listener.Addr().String(), s.Addr)
	hears("READY=1", fmt.Sprintf("MAINPID=%d", s.PID))
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	s.Signal(t, unix.SIGHUP)
	hears("RELOADING=1", "MONOTONIC_USEC=")
	hears("READY=1")
	ready(t, s, 2)
	s.Signal(t, unix.SIGTERM)
	hears("STOPPING=1")
	require.Zero(t, s.Wait(t))
}

// A socket's name in the file system is there as long as anybody serves, and goes with the
// last one.
func TestTheNameOfASocketStaysAcrossAHandOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	s := harness.Start(t, "-listen", "unix:"+path, "-workers", "2")
	ready(t, s, 2)
	pid := handOver(t, s)
	require.Zero(t, s.Wait(t))
	require.FileExists(t, path)
	ready(t, s, 2)
	require.NoError(t, unix.Kill(pid, unix.SIGTERM))
	gone(t, pid)
	require.NoFileExists(t, path)
}

// Who may connect to a socket is a setting like others, also where the socket is there already.
func TestTheModeOfASocketFollowsTheSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, file := filepath.Join(dir, "socket"), filepath.Join(dir, "config")
	listen := func(access string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte("workers 1\nlisten unix:"+path+access+"\n"), 0o600))
	}
	has := func(mode os.FileMode) {
		t.Helper()
		harness.Eventually(t, fmt.Sprintf("the mode is %o", mode), func() bool {
			info, err := os.Lstat(path)
			require.NoError(t, err)
			return info.Mode().Perm() == mode
		})
	}
	listen(",mode=0666")
	s := harness.StartCommand(t, exec.Command(harness.Binary(), "-config", file))
	ready(t, s, 1)
	has(0o666)
	listen(",mode=0600")
	hup(t, s, reloadedLine, 1)
	has(0o600)
	listen(",mode=0640")
	handOver(t, s)
	require.Zero(t, s.Wait(t))
	has(0o640)
	ready(t, s, 1)
}

// A socket that systemd has made is not ours to remove, and the next program takes it over
// as such.
func TestASocketFromSystemdStaysSystemds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	listener.SetUnlinkOnClose(false)
	file, err := listener.File()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, harness.Binary(), "-workers", "1")
	cmd.ExtraFiles = []*os.File{file}
	s := harness.StartCommand(t, cmd)
	file.Close()
	listener.Close()
	ready(t, s, 1)
	pid := handOver(t, s)
	require.Zero(t, s.Wait(t))
	require.Equal(t, 2, s.Log.Count("started on unix:"+path), "the old program and the new one")
	ready(t, s, 1)
	require.NoError(t, unix.Kill(pid, unix.SIGTERM))
	gone(t, pid)
	require.FileExists(t, path)
}

// Which of systemd's sockets are for proxies is found by their ports.
func TestASocketFromSystemdCanBeForProxies(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	file, err := listener.(*net.TCPListener).File()
	require.NoError(t, err)
	at := fmt.Sprintf("0.0.0.0:%d", listener.Addr().(*net.TCPAddr).Port)
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, harness.Binary(), "-workers", "1",
		"-listen", at, "-proxy-protocol", at, "-trusted-proxy", "127.0.0.1")
	cmd.ExtraFiles = []*os.File{file}
	s := harness.StartCommand(t, cmd)
	file.Close()
	listener.Close()
	c := s.Dial(t)
	_, err = io.WriteString(c, "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
	require.NoError(t, err)
	status, err := behaviour.Exchange(c, "/health")
	require.NoError(t, err)
	require.Equal(t, 404, status, "the client is not of this machine")
	_, err = behaviour.Exchange(s.Dial(t), "/")
	require.Error(t, err, "a header is required")
}

// A worker that is not wanted any more before it can hear so hears it later.
func TestAWorkerThatIsTooManyBeforeItIsReadyEnds(t *testing.T) {
	t.Parallel()
	const rounds = 10
	s := harness.Start(t, "-workers", "1")
	ready(t, s, 1)
	for i := range rounds {
		s.Signal(t, unix.SIGTTIN)
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(\] 2 workers.*){%d}`, i+1)))
		s.Signal(t, unix.SIGTTOU)
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(\] 1 worker\n.*){%d}`, i+1)))
	}
	ready(t, s, 1)
	harness.Eventually(t, "one worker is left", func() bool { return len(s.Children(t)) == 1 })
}

// The old program is told to stop while its last client is still there. Its listening
// sockets were closed when it was replaced; what has their numbers since is not closed.
func TestAReplacedProgramClosesNothingTwice(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-root", rootWithBig(t), "-workers", "1", "-log-file", "/dev/stderr")
	ready(t, s, 1)
	finish := unbroken(t, s, "/big.txt", big)
	handOver(t, s)
	s.Log.Await(t, regexp.MustCompile("The new program serves"))
	s.Signal(t, unix.SIGUSR1)
	s.Log.Await(t, regexp.MustCompile(`\[main\] Log files reopened`))
	s.Signal(t, unix.SIGTERM)
	s.Log.Await(t, regexp.MustCompile("Stopping on terminated"))
	finish()
	require.Zero(t, s.Wait(t))
	s.Log.Await(t, regexp.MustCompile(`\[main\] Stopped`))
}

// A new program may leave a process behind that has its descriptors. The master does not wait for
// that one.
func TestWhatAFailedProgramLeavesBehindIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, left := filepath.Join(dir, "server"), filepath.Join(dir, "left")
	good, err := os.ReadFile(harness.Binary())
	require.NoError(t, err)
	harness.WriteProgram(t, program, good)
	s := harness.StartCommand(t, exec.Command(program, "-listen", "127.0.0.1:0", "-workers", "2"))
	victim := ready(t, s, 2).Workers[0]
	script := fmt.Sprintf("#!/bin/sh\nsleep 300 >/dev/null 2>&1 &\necho $! > %s\nexit 7\n", left)
	harness.WriteProgram(t, program+".new", []byte(script))
	require.NoError(t, os.Rename(program+".new", program))
	t.Cleanup(func() {
		var pid int
		text, _ := os.ReadFile(left)
		if n, _ := fmt.Sscan(string(text), &pid); n == 1 {
			unix.Kill(pid, unix.SIGKILL)
		}
	})
	s.Signal(t, unix.SIGUSR2)
	s.Log.Await(t, regexp.MustCompile("the new one has ended: exit status 7"))
	kill(t, s, victim.PID)
	ready(t, s, 2)
}

// A stop that comes while a new program begins ends that one too. It may handle no signals yet: one
// by which Go's runtime writes stacks would look like a crash.
func TestAStopEndsANewProgramThatHasHardlyBegunInSilence(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "server")
	good, err := os.ReadFile(harness.Binary())
	require.NoError(t, err)
	harness.WriteProgram(t, program, good)
	s := harness.StartCommand(t, exec.Command(program, "-listen", "127.0.0.1:0", "-workers", "1"))
	ready(t, s, 1)
	script := "#!/bin/sh\ntrap 'echo stacks >&2' QUIT\necho begun >&2\nwhile :; do sleep 0.01; done\n"
	harness.WriteProgram(t, program+".new", []byte(script))
	require.NoError(t, os.Rename(program+".new", program))
	s.Signal(t, unix.SIGUSR2)
	s.Log.Await(t, regexp.MustCompile("begun"))
	s.Signal(t, unix.SIGTERM)
	require.Zero(t, s.Wait(t))
	require.Zero(t, s.Log.Count("stacks"))
}
