//go:build linux

package main

// What dies, and what lives on.

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/faults"
	"fourways/stage3-epoll/loop"
	"fourways/tests/harness"
)

// Workers are killed under load, one after the other. Lost is at most what the dead ones
// had accepted; who waited at the socket never notices. Each victim is stopped first, so
// that what it has is known exactly. Afterwards all counts are exact.
func TestKilledWorkersTakeOnlyTheirOwnConnectionsAlong(t *testing.T) {
	for io, kills := range map[string]int{"epoll": 12, "uring": 6} {
		t.Run(io, func(t *testing.T) {
			t.Parallel()
			killedWorkers(t, io, kills)
		})
	}
}

func killedWorkers(t *testing.T, io string, kills int) {
	const workers = 4
	if _, err := loop.Choose(app.Uring, slog.New(slog.DiscardHandler)); err != nil && io == "uring" {
		t.Skip(err)
	}
	s := harness.Start(t, "-max-requests", "0", "-workers", fmt.Sprint(workers), "-io", io)
	ready(t, s, workers)
	descriptors := s.Descriptors(t)
	l := newLoad(t, s.Addr)
	var held int64
	for i := range kills {
		l.goesOn(t, 200)
		alive := health4(t, s).Workers
		victim := alive[i%len(alive)]
		require.NoError(t, unix.Kill(victim.PID, unix.SIGSTOP))
		harness.Eventually(t, "the victim stands still", func() bool { return stopped(t, victim.PID) })
		for _, w := range health4(t, s).Workers {
			if w.PID == victim.PID {
				held += w.Connections
			}
		}
		kill(t, s, victim.PID)
	}
	l.goesOn(t, 200)
	l.end()
	t.Logf("%d answered, %d lost of %d connections on %d killed workers", l.answered.Load(), l.lost.Load(), held, kills)
	// A process hears a signal when a system call ends: one that was stopped in accept(2) has
	// a connection that it has not counted yet.
	require.LessOrEqual(t, l.lost.Load(), held+int64(kills))
	require.Zero(t, l.refused.Load())
	require.Zero(t, l.odd.Load())

	harness.Eventually(t, "all connections have ended but the one that asks", func() bool {
		return health4(t, s).Connections.Active == 1
	})
	r := ready(t, s, workers)
	restarts := 0
	for _, w := range r.Workers {
		restarts += w.Restarts
	}
	require.Equal(t, kills, restarts)
	ours := r.Requests.Total - healthRequests(s)
	require.GreaterOrEqual(t, ours, l.answered.Load(), "what was answered was counted, by the dead as well")
	require.LessOrEqual(t, ours, l.answered.Load()+l.lost.Load())
	require.LessOrEqual(t, s.Descriptors(t), descriptors+workers, "a worker keeps a page open, perhaps; nothing adds up")
	requireNoZombies(t, s.PID)
}

// healthRequests is how many requests of its own the test has made.
func healthRequests(s *harness.Server) int64 { return s.Gets() }

// stopped reports whether a process is stopped (proc_pid_stat(5), state T).
func stopped(t *testing.T, pid int) bool { return state(t, pid) == "T" }

func state(t *testing.T, pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

func requireNoZombies(t *testing.T, parent int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	require.NoError(t, err)
	for _, word := range strings.Fields(string(text)) {
		var pid int
		fmt.Sscan(word, &pid)
		require.NotEqual(t, "Z", state(t, pid))
	}
}

// A client's connections are counted over all workers, and those of a dead one are taken
// off; a ban outlives every worker.
func TestWhatIsKnownOfAClientOutlivesTheWorkers(t *testing.T) {
	t.Parallel()
	const limit = 6
	s := harness.Start(t, "-rate-exempt", "none", "-max-conns-per-client", fmt.Sprint(limit), "-workers", "3", "-monitor-from", "127.0.0.0/8")
	ready(t, s, 3)
	client := harness.From(net.IPv4(127, 0, 0, 9))
	served := func() bool {
		c, err := client.Dial("tcp", s.Addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(harness.Patience))
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	for round := range 2 {
		for range limit {
			require.True(t, served(), "round %d", round)
		}
		require.False(t, served(), "one too many, whichever worker it comes to")
		for _, w := range ready(t, s, 3).Workers {
			replace(t, s, w.PID, 3)
		}
	}
}

// A ban is known to every worker, to those as well that are started when it has been made.
func TestABanOutlivesTheWorkers(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-rate-exempt", "127.0.0.1", "-rate", "1", "-burst", "1", "-ban-after", "1", "-adaptive", "off", "-workers", "2")
	ready(t, s, 2)
	client := harness.From(net.IPv4(127, 0, 0, 9))
	ask := func() string {
		c, err := client.Dial("tcp", s.Addr)
		require.NoError(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(harness.Patience))
		fmt.Fprintf(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		b := make([]byte, 12)
		n, _ := c.Read(b)
		return string(b[:n])
	}
	require.Equal(t, "HTTP/1.1 200", ask())
	require.Equal(t, "HTTP/1.1 429", ask())
	for range 2 {
		require.Empty(t, ask(), "banned")
		for _, w := range ready(t, s, 2).Workers {
			replace(t, s, w.PID, 2)
		}
	}
	require.Empty(t, ask())
}

// A worker that is stopped holds up those whose connections it has, and nobody else. The
// watchdog replaces it.
func TestAStoppedWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{"shared", "reuseport"} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			s := harness.Start(t, "-watchdog", patientWatchdog, "-workers", "3", "-accept", accept)
			victim := ready(t, s, 3).Workers[1]
			require.NoError(t, unix.Kill(victim.PID, unix.SIGSTOP))
			began := time.Now()
			harness.Eventually(t, "the victim stands still", func() bool { return stopped(t, victim.PID) })
			if accept == "shared" {
				for range 50 {
					status, _ := s.Get(t, "/")
					require.Equal(t, 200, status, "the others go on")
				}
			}
			s.Log.Await(t, regexp.MustCompile(`Worker 2 has been silent`))
			require.Equal(t, 1, succeeded(t, s, victim.PID, 3).Workers[1].Restarts)
			t.Logf("replaced after %v, with a watchdog of "+patientWatchdog+" s and 1 s for the stacks", time.Since(began))
			for range 50 {
				s.Get(t, "/") // none was left behind at the dead one's socket
			}
		})
	}
}

// A loop that hangs is found out, its stacks tell where it hung, and it is replaced.
// Its stack comes first, unless the scheduler had just taken its processor away when it was asked:
// so there are a few tries.
func TestAHungLoopIsReplacedAndSaysWhere(t *testing.T) {
	t.Parallel()
	for range 3 {
		if hungLoopComesFirst(t) {
			return
		}
	}
	require.Fail(t, "another thread's stack comes first")
}

func hungLoopComesFirst(t *testing.T) bool {
	s := harness.Start(t, "-watchdog", patientWatchdog, "-inject-faults", "routes", "-workers", "2", "-drain-timeout", "1")
	ready(t, s, 2)
	c := s.Dial(t)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", faults.HangRoute)
	s.Log.Await(t, regexp.MustCompile(`Worker \d has died`))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "it is cut when the worker ends")
	s.Log.Await(t, regexp.MustCompile(`(.+\n)*fourways/shared/faults\.hang`))
	_, stacks, _ := strings.Cut(s.Log.String(), "SIGQUIT: quit\n")
	ready(t, s, 2)
	return regexp.MustCompile(`^.*\n\n(.+\n)*fourways/shared/faults\.hang`).MatchString(stacks)
}

// A crash is the end of one worker. It comes back at once.
func TestACrashIsOneWorkersEnd(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-inject-faults", "routes", "-workers", "2")
	ready(t, s, 2)
	c := s.Dial(t)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", faults.CrashRoute)
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	s.Log.Await(t, regexp.MustCompile(`panic: a fault that was asked for`))
	ready(t, s, 2)
}

// A worker that cannot live is started again and again, less and less often, and the
// server says that it is not whole. The others serve.
func TestAWorkerThatCannotLiveIsNotStartedInAStorm(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-inject-faults", "start:2", "-workers", "3")
	s.Log.Await(t, regexp.MustCompile(`(?s)(Worker 2 has died.*Worker 2 is started anew in.*){3}`))
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	status, body := s.Get(t, "/health")
	require.Equal(t, 503, status)
	require.Contains(t, string(body), `"status":"degraded"`)
	require.LessOrEqual(t, s.Log.Count("Worker 2 has died"), 8)
}

// Killed, the master takes all workers along, those that are stopped too, and the port is
// free.
func TestAMasterThatIsKilledLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "3")
	workers := ready(t, s, 3).Workers
	for _, w := range workers {
		t.Cleanup(func() { unix.Kill(w.PID, unix.SIGKILL) })
	}
	require.NoError(t, unix.Kill(workers[2].PID, unix.SIGSTOP))
	harness.Eventually(t, "it stands still", func() bool { return stopped(t, workers[2].PID) })
	c := s.Dial(t)
	fmt.Fprint(c, "GET / HTTP/1.1\r\n")
	s.Signal(t, unix.SIGKILL)
	s.Wait(t)
	began := time.Now()
	for _, w := range workers {
		gone(t, w.PID)
	}
	t.Logf("the workers were gone after %v", time.Since(began))
	again, err := net.Listen("tcp", s.Addr)
	require.NoError(t, err, "the port is free")
	again.Close()
}

// The sockets that all share stay non-blocking, however many workers were given them: one
// that blocks would stop every loop in its accept.
func TestTheSharedSocketNeverBlocks(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "2")
	for range 3 {
		replace(t, s, ready(t, s, 2).Workers[0].PID, 2)
	}
	for _, pid := range s.Processes(t) {
		found := 0
		for _, fd := range sockets(t, pid) {
			flags, open := fdFlags(t, pid, fd)
			if !open {
				continue // a connection that has ended meanwhile
			}
			require.NotZero(t, flags&unix.O_NONBLOCK, "descriptor %s of process %d", fd, pid)
			found++
		}
		require.NotZero(t, found, "process %d has no socket", pid)
	}
}

// sockets is a process's descriptors that are sockets.
func sockets(t *testing.T, pid int) (fds []string) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	for _, e := range entries {
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name()))
		if err == nil && strings.HasPrefix(target, "socket:") {
			fds = append(fds, e.Name())
		}
	}
	return fds
}

// fdFlags is the open file description's flags (proc_pid_fdinfo(5)). It reports false for a
// descriptor that is closed by now.
func fdFlags(t *testing.T, pid int, fd string) (flags int, open bool) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, fd))
	if errors.Is(err, os.ErrNotExist) {
		return 0, false
	}
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "flags:"); ok {
			_, err := fmt.Sscanf(strings.TrimSpace(rest), "%o", &flags)
			require.NoError(t, err)
		}
	}
	return flags, true
}

// Whoever stops the master has stopped the workers too, and nobody is to blame for the
// time. The worst case is a stop that is little longer than the watchdog's time.
func TestNobodyIsBlamedForBeingSuspendedTogether(t *testing.T) {
	t.Parallel() // most of its time it waits
	s := harness.Start(t, "-watchdog", "3", "-workers", "2")
	before := ready(t, s, 2).Workers
	signal := func(sig unix.Signal) {
		for _, w := range before {
			require.NoError(t, unix.Kill(w.PID, sig))
		}
	}
	for round := range 4 {
		s.Signal(t, unix.SIGSTOP)
		signal(unix.SIGSTOP)
		time.Sleep(3200 * time.Millisecond) // this time is what the test is about
		s.Signal(t, unix.SIGCONT)           // first, to find no worker that beats again
		s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(The master was suspended.*){%d}`, round+1)))
		signal(unix.SIGCONT)
		harness.Eventually(t, "the workers beat again", func() bool {
			for _, w := range health4(t, s).Workers {
				if w.HeartbeatAge > 0.5 {
					return false
				}
			}
			return true
		})
	}
	after := ready(t, s, 2).Workers
	for i := range before {
		require.Equal(t, before[i].PID, after[i].PID)
	}
	require.Zero(t, s.Log.Count("has been silent"))
}

// The kernel tells of several deaths by one signal. The master misses none of them.
func TestSeveralDeathsAtOnceAreAllNoticed(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-workers", "4")
	victims := ready(t, s, 4).Workers
	s.Signal(t, unix.SIGSTOP)
	for _, w := range victims {
		require.NoError(t, unix.Kill(w.PID, unix.SIGKILL))
		gone(t, w.PID)
	}
	s.Signal(t, unix.SIGCONT)
	s.Log.Await(t, regexp.MustCompile(`(?s)(Worker \d has died.*){4}`))
	for _, w := range ready(t, s, 4).Workers {
		require.Equal(t, 1, w.Restarts)
	}
	requireNoZombies(t, s.PID)
}

// A worker that cannot even be killed is replaced as well, and goes when it can.
func TestAWorkerThatCannotBeKilledIsReplaced(t *testing.T) {
	t.Parallel()
	group, err := os.MkdirTemp("/sys/fs/cgroup/freezer", "fourways") // of version 1: a frozen process does not die
	if err != nil {
		t.Skip("there is no freezer of version 1 here: ", err)
	}
	t.Cleanup(func() {
		harness.Eventually(t, "the group is empty", func() bool { return unix.Rmdir(group) == nil })
	})
	set := func(file string, value any) {
		require.NoError(t, os.WriteFile(group+"/"+file, fmt.Append(nil, value), 0))
	}
	s := harness.Start(t, "-workers", "1", "-watchdog", "1")
	victim := ready(t, s, 1).Workers[0].PID
	set("cgroup.procs", victim)
	set("freezer.state", "FROZEN")
	t.Cleanup(func() { set("freezer.state", "THAWED") })
	s.Log.Await(t, regexp.MustCompile(`Worker 1 cannot be killed: another one takes its place`))
	harness.Eventually(t, "another one serves", func() bool { return len(s.Children(t)) == 2 })
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
	set("freezer.state", "THAWED")
	gone(t, victim)
	s.Get(t, "/")
	require.Zero(t, s.Log.Count("has died"), "nobody takes the place of the one that was given up")
}

// The place of a dead worker is taken by one that goes by the files that its settings name as they
// were read with them, whatever they are by now; and without what else is gone.
func TestADeadWorkerIsReplacedWithoutTheFilesOfItsSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	auth, redirects, spill := dir+"/auth", dir+"/redirects", dir+"/spill"
	const users = "ann:$2a$04$BwsvRGz7/DOlLQ6WynTvQufsxzS46LbAkzb1MOLvEc3nCUt2oOAju\n" // "secret", by htpasswd -B
	require.NoError(t, os.WriteFile(auth, []byte(users), 0o600))
	require.NoError(t, os.WriteFile(redirects, []byte("/old /new\n"), 0o600))
	require.NoError(t, os.Mkdir(spill, 0o755))
	s := harness.Start(t, "-workers", "1", "-auth", auth, "-redirects", redirects, "-proxy", "/x=http://127.0.0.1:1", "-proxy-spill-dir", spill)
	asks := func(user string) (status int, to string) {
		req, err := http.NewRequest("GET", s.URL("/old"), nil)
		require.NoError(t, err)
		req.SetBasicAuth(user, "secret")
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	victim := ready(t, s, 1).Workers[0].PID
	require.NoError(t, os.Remove(auth))
	require.NoError(t, os.WriteFile(redirects, []byte("nonsense\n"), 0o600))
	require.NoError(t, os.Remove(spill))
	require.NoError(t, unix.Kill(victim, unix.SIGKILL))
	gone(t, victim)
	ready(t, s, 1)
	status, to := asks("ann")
	require.Equal(t, 301, status)
	require.Contains(t, to, "/new")
	status, _ = asks("another")
	require.Equal(t, 401, status)
	require.Equal(t, 1, s.Log.Count("The disk takes nothing for slow readers"))
	require.Zero(t, s.Log.Count("cannot start"))
}

// The place of a dead worker is taken although the root is gone, or another folder has its name: it
// serves what the others serve. What it cannot find it does without.
func TestADeadWorkerIsReplacedWithoutTheRoot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, uploads, aside := dir+"/root", dir+"/uploads", dir+"/aside"
	for _, folder := range []string{root, uploads} {
		require.NoError(t, os.Mkdir(folder, 0o755))
	}
	for name, text := range map[string]string{"a.txt": "of the first folder", "404.html": "our page", "app.html": "the app"} {
		require.NoError(t, os.WriteFile(root+"/"+name, []byte(text), 0o644))
	}
	s := harness.Start(t, "-workers", "1", "-root", root, "-uploads", uploads, "-error-page", "404=/404.html", "-spa", "/app.html")
	replaced := func() {
		victim := ready(t, s, 1).Workers[0].PID
		require.NoError(t, unix.Kill(victim, unix.SIGKILL))
		gone(t, victim)
		succeeded(t, s, victim, 1)
	}
	served := func() string {
		status, body := s.Get(t, "/a.txt")
		require.Equal(t, 200, status)
		return string(body)
	}

	require.NoError(t, os.Rename(root, aside))
	replaced()
	require.Equal(t, "of the first folder", served())
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, os.WriteFile(root+"/a.txt", []byte("of another"), 0o644))
	replaced()
	require.Equal(t, "of the first folder", served(), "the name leads elsewhere, and nobody has sent HUP")

	require.NoError(t, os.RemoveAll(aside))
	require.NoError(t, os.RemoveAll(uploads))
	replaced()
	status, _ := s.Get(t, "/a.txt")
	require.Equal(t, 404, status)
	resp, err := http.Post(s.URL("/upload"), "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, 2, s.Log.Count("The site is served without something of its settings"))
	require.Zero(t, s.Log.Count("cannot start"))
}

// The place of a dead worker is taken although the folder of the logs is gone, and the logs are
// found again when they are to be opened anew.
func TestADeadWorkerIsReplacedWithoutTheLogs(t *testing.T) {
	t.Parallel()
	logs := t.TempDir() + "/logs"
	require.NoError(t, os.Mkdir(logs, 0o755))
	s := harness.Start(t, "-workers", "1", "-access-log", logs+"/access.log")
	require.NoError(t, os.RemoveAll(logs))
	for range 2 {
		victim := ready(t, s, 1).Workers[0].PID
		require.NoError(t, unix.Kill(victim, unix.SIGKILL))
		gone(t, victim)
		succeeded(t, s, victim, 1)
	}
	require.Positive(t, s.Log.Count("A log could not be opened"))
	require.NoError(t, os.Mkdir(logs, 0o755))
	s.Signal(t, unix.SIGUSR1)
	s.Log.Await(t, regexp.MustCompile(`\[worker-1\] Log files reopened`))
	s.Get(t, "/found")
	harness.Eventually(t, "the line is there", func() bool {
		text, _ := os.ReadFile(logs + "/access.log")
		return strings.Contains(string(text), "/found")
	})
}
