//go:build linux

package main

// Reloads that go wrong, or come at a bad moment. Each test has a server of its own, whose faults
// are asked for by -inject-faults.

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/upstream"
	"fourways/tests/behaviour"
	"fourways/tests/gobuild"
	"fourways/tests/harness"
)

// settingsFile is a configuration file, and what changes it.
func settingsFile(t *testing.T, text string) (path string, write func(text string)) {
	path = filepath.Join(t.TempDir(), "conf")
	write = func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	write(text)
	return path, write
}

// hup sends HUP, and waits for what the log says of it for the n-th time.
func hup(t *testing.T, s *harness.Server, says string, n int) {
	t.Helper()
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(%s.*){%d}`, says, n)))
}

const (
	reloadedLine = "Reloaded: all"
	refusedLine  = "the first new worker did not come up"
)

// page is what a server answers, with its head.
func page(t *testing.T, s *harness.Server, path string) string {
	t.Helper()
	c := s.Dial(t)
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	return string(answer)
}

// A folder that was switched under its name is the new workers' folder.
func TestAReloadOpensTheRootAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"old", "new"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "a.html"), []byte("the "+name+" folder"), 0o644))
	}
	link := filepath.Join(dir, "root")
	require.NoError(t, os.Symlink("old", link))
	s := harness.Start(t, "-root", link, "-workers", "2")
	ready(t, s, 2)
	require.Contains(t, page(t, s, "/a.html"), "the old folder")
	require.NoError(t, os.Symlink("new", link+".next"))
	require.NoError(t, os.Rename(link+".next", link))
	hup(t, s, reloadedLine, 1)
	ready(t, s, 2) // no old one finishes what it has
	for range 8 {
		require.Contains(t, page(t, s, "/a.html"), "the new folder")
	}
}

// The one socket of an address becomes the first of several, and back, on a port that cannot
// be bound twice.
func TestAReloadGoesFromOneSocketToSeveralAndBack(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	free.Close()
	with := func(accept string) string { return fmt.Sprintf("listen %s\nworkers 3\naccept %s\n", addr, accept) }
	file, write := settingsFile(t, with("shared"))
	s := harness.StartCommand(t, exec.Command(harness.Binary(), "-config", file))
	ready(t, s, 3)
	require.Len(t, sockets(t, s.PID), 1)
	l := newLoad(t, s.Addr)
	l.goesOn(t, 100)
	write(with("reuseport"))
	hup(t, s, reloadedLine, 1)
	require.Len(t, sockets(t, s.PID), 3)
	ready(t, s, 3)
	l.goesOn(t, 100)
	l.faultless(t)

	l = newLoad(t, s.Addr)
	l.goesOn(t, 100)
	write(with("shared"))
	hup(t, s, reloadedLine, 2)
	require.Len(t, sockets(t, s.PID), 1)
	ready(t, s, 3)
	l.goesOn(t, 100)
	// The kernel resets the handshakes that it has begun for a socket which is closed.
	l.end()
	require.Zero(t, l.refused.Load()+l.odd.Load())
	require.LessOrEqual(t, l.lost.Load(), int64(2*loadClients))
}

// A position whose workers kept dying is filled by the reload, and does not wait its time
// out.
func TestMendedSettingsEndTheWaitOfAWorkerThatKeptDying(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\ninject-faults start:2\n")
	s := harness.Start(t, "-config", file)
	s.Log.Await(t, regexp.MustCompile(`(?s)(Worker 2 has died.*Worker 2 is started anew.*){7}`))
	write("workers 2\n")
	hup(t, s, reloadedLine, 1)
	require.Contains(t, positions(health4(t, s)), 2, "it does not wait any more")
	ready(t, s, 2)
	status, _ := s.Get(t, "/health")
	require.Equal(t, 200, status)
}

// positions is which of the workers have a process.
func positions(r report) (numbers []int) {
	for _, w := range r.Workers {
		numbers = append(numbers, w.Worker)
	}
	return numbers
}

// To say that it serves is not enough: the first new worker has to live.
func TestAWorkerThatCrashesWhenItServesHasNotTakenOver(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\n")
	s := harness.Start(t, "-config", file)
	before := ready(t, s, 2).Workers
	l := newLoad(t, s.Addr)
	write("workers 2\ninject-faults ready:1\n")
	hup(t, s, refusedLine, 1)
	after := ready(t, s, 2).Workers
	for i := range before {
		require.Equal(t, before[i].PID, after[i].PID)
	}
	l.goesOn(t, 100)
	l.end()
	require.Zero(t, l.refused.Load()+l.odd.Load())
}

// starts is the pid of a worker that has not reported yet.
func starts(t *testing.T, s *harness.Server, position int) (pid int) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("a worker %d starts", position), func() bool {
		for _, w := range health4(t, s).Workers {
			if w.Worker == position && w.State == "starting" {
				pid = w.PID
				return true
			}
		}
		return false
	})
	return pid
}

// A worker that was started by new settings does not outlive them.
func TestSettingsThatAreTakenBackAreTakenFromAllWorkers(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\nheader X-State: one\n")
	s := harness.Start(t, "-config", file)
	victim := ready(t, s, 2).Workers[1].PID
	write("workers 2\nheader X-State: two\ninject-faults stall:1\n")
	s.Signal(t, unix.SIGHUP)
	stalled := starts(t, s, 1)
	kill(t, s, victim)
	var another int // by the new settings
	harness.Eventually(t, "there is another worker 2", func() bool {
		for _, w := range health4(t, s).Workers {
			if w.Worker == 2 && w.PID != victim && w.State == "ready" {
				another = w.PID
			}
		}
		return another != 0
	})
	require.NoError(t, unix.Kill(stalled, unix.SIGKILL))
	s.Log.Await(t, regexp.MustCompile(refusedLine))
	succeeded(t, s, another, 2)
	for range 8 {
		require.Contains(t, page(t, s, "/about.html"), "X-State: one")
	}
}

// A worker that dies during a reload, and its successor with it, leave no position empty,
// whatever becomes of the reload.
func TestAWorkerThatDiesWithItsSuccessorIsReplaced(t *testing.T) {
	t.Parallel()
	const workers = 2
	for _, c := range []struct {
		says    string
		stalled int  // the position whose new worker does not come up
		leaves  bool // the server is told to stop meanwhile
		awaits  string
	}{
		{"the settings are taken back", 1, false, refusedLine},
		{"others go by the new settings already", 2, false, reloadedLine},
		{"the server is about to stop", 1, true, "serving on for"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			file, write := settingsFile(t, "workers 2\ndrain-delay 600\n")
			s := harness.Start(t, "-config", file)
			old := ready(t, s, workers).Workers[c.stalled-1].PID
			write(fmt.Sprintf("workers 2\ndrain-delay 600\ninject-faults stall:%d\n", c.stalled))
			s.Signal(t, unix.SIGHUP)
			stalled := starts(t, s, c.stalled)
			dies := func(pid, n int) { // who asks meanwhile may wait: the kernel has woken a dead worker for it
				require.NoError(t, unix.Kill(pid, unix.SIGKILL))
				s.Log.Await(t, regexp.MustCompile(fmt.Sprintf(`(?s)(Worker %d has died.*){%d}`, c.stalled, n)))
			}
			dies(old, 1)
			if c.leaves {
				s.Signal(t, unix.SIGTERM)
				s.Log.Await(t, regexp.MustCompile(c.awaits))
			}
			dies(stalled, 2)
			s.Log.Await(t, regexp.MustCompile(c.awaits))
			harness.Eventually(t, "there is another", func() bool {
				return slices.Contains(positions(health4(t, s)), c.stalled)
			})
			s.Signal(t, unix.SIGQUIT)
			s.Wait(t)
		})
	}
}

// A start that hangs is found out also where no watchdog was asked for.
func TestAStartThatHangsIsEndedWithoutAWatchdog(t *testing.T) {
	t.Parallel()
	s := harness.Start(t, "-watchdog", "0", "-workers", "2", "-inject-faults", "stall:2")
	s.Log.Await(t, regexp.MustCompile(`Worker 2 has been silent for 1\d`))
	s.Log.Await(t, regexp.MustCompile(`Worker 2 has died`))
	status, _ := s.Get(t, "/")
	require.Equal(t, 200, status)
}

// A new program that is killed while its workers serve already leaves nothing behind in the memory
// that it shared.
func TestANewProgramThatIsKilledLeavesNoEntryBehind(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\n")
	s := harness.Start(t, "-config", file)
	ready(t, s, 2)
	write("workers 2\ninject-faults stall:2\n")
	pid := handOver(t, s)
	starts(t, s, 2)
	harness.Eventually(t, "its first worker serves", func() bool {
		n := 0
		for _, w := range health4(t, s).Workers {
			if w.State == "ready" {
				n++
			}
		}
		return n == 3
	})
	require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	s.Log.Await(t, regexp.MustCompile("the new one has ended: killed"))
	ready(t, s, 2)
	harness.Eventually(t, "only the connection that asks is counted", func() bool {
		return health4(t, s).Connections.Active == 1
	})
	write("workers 2\n")
	hup(t, s, reloadedLine, 1)
	ready(t, s, 2)
}

// A program that lays the memory out in another way takes over all the same; it counts from
// the beginning.
func TestAProgramWithAnotherLayoutOfTheMemoryTakesOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, source := filepath.Join(dir, "server"), filepath.Join("..", "shared", "stats", "stats.go")
	good, err := os.ReadFile(harness.Binary())
	require.NoError(t, err)
	harness.WriteProgram(t, program, good)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	other := regexp.MustCompile(`const version = \d+`).ReplaceAllString(string(text), "const version = 99")
	require.NotEqual(t, string(text), other)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stats.go"), []byte(other), 0o644))
	source, err = filepath.Abs(source)
	require.NoError(t, err)
	overlay := fmt.Sprintf(`{"Replace": {%q: %q}}`, source, filepath.Join(dir, "stats.go"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay"), []byte(overlay), 0o644))
	out, err := gobuild.Command(t.Context(), ".", program+".new", "-overlay", filepath.Join(dir, "overlay")).CombinedOutput()
	require.NoError(t, err, string(out))

	s := harness.StartCommand(t, exec.Command(program, "-listen", "127.0.0.1:0", "-workers", "2"))
	ready(t, s, 2)
	for range 50 {
		page(t, s, "/about.html")
	}
	l := newLoad(t, s.Addr)
	require.NoError(t, os.Rename(program+".new", program))
	successor := handOver(t, s)
	require.Zero(t, s.Wait(t))
	l.goesOn(t, 50)
	l.faultless(t)
	r := ready(t, s, 2)
	require.Equal(t, successor, r.Master.PID)
	require.LessOrEqual(t, r.Requests.Total, l.answered.Load()+s.Gets(), "the 50 from before are not counted")
}

// A loop that has all the connections it can have leaves those who wait to the next worker,
// and ends when it is told to.
func TestAFullLoopGoesLikeAnyOther(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip(err)
	}
	const files = "200:200" // of which a quarter is kept for other things than connections
	s := harness.StartCommand(t, exec.Command("prlimit", "--nofile="+files, harness.Binary(),
		"-listen", "127.0.0.1:0", "-workers", "1", "-max-conns-per-client", "0", "-idle-timeout", "60"))
	old := ready(t, s, 1).Workers[0].PID
	var held []net.Conn
	answers := func(c net.Conn, within time.Duration) bool {
		c.SetReadDeadline(time.Now().Add(within))
		n, _ := c.Read(make([]byte, 12))
		return n > 0
	}
	ask := func() net.Conn {
		c := s.Dial(t)
		fmt.Fprint(c, "GET /about.html HTTP/1.1\r\nHost: localhost\r\n\r\n")
		return c
	}
	var waits net.Conn
	for waits == nil {
		require.Less(t, len(held), 200, "it was never full")
		if c := ask(); answers(c, time.Second) {
			held = append(held, c)
		} else {
			waits = c
		}
	}
	s.Signal(t, unix.SIGHUP)
	require.True(t, answers(waits, harness.Patience), "the new worker takes who waits")
	s.Log.Await(t, regexp.MustCompile(reloadedLine))
	for _, c := range held {
		c.Close()
	}
	harness.Eventually(t, "the old worker has ended", func() bool { return !slices.Contains(s.Children(t), old) })
	ready(t, s, 1)
}

// Settings that are refused take none of the rows that there are for upstreams, whenever they are
// refused: when they are opened, or by the first worker.
func TestUpstreamsOfRefusedSettingsTakeNoRoom(t *testing.T) {
	t.Parallel()
	const most = upstream.MaxTargets
	file, write := settingsFile(t, "workers 1\n")
	upstreams := func(from, n int) string {
		text := "workers 1\n"
		for i := range n {
			text += fmt.Sprintf("proxy /app%d=http://127.0.0.1:%d\n", i, 10_000+from+i)
		}
		return text
	}
	s := harness.Start(t, "-config", file)
	write(upstreams(0, most+1))
	hup(t, s, "there have been too many upstreams", 1)
	write(upstreams(0, most) + "inject-faults start:1\n")
	hup(t, s, refusedLine, 1)
	write(upstreams(0, most) + "auth " + file + "\n")
	hup(t, s, "Not reloaded", 3)
	write(upstreams(most, most))
	hup(t, s, reloadedLine, 1)
	write(upstreams(2*most, 1))
	hup(t, s, "there have been too many upstreams", 2)
}

// makeHang has a file lead to a folder that does not answer, until end is called.
func makeHang(t *testing.T, file string) (end func()) {
	t.Helper()
	folder, end := behaviour.HungFolder(t)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Symlink(filepath.Join(folder, "conf"), file))
	return end
}

// What the new settings are read from may hang. The master goes on without them.
func TestAReloadThatHangsHoldsNothingUp(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 2\n")
	s := harness.Start(t, "-config", file)
	victim := ready(t, s, 2).Workers[0].PID
	end := makeHang(t, file)
	s.Signal(t, unix.SIGHUP)
	replace(t, s, victim, 2)

	end()
	s.Log.Await(t, regexp.MustCompile("Not reloaded, all stays as it was: -config"))
	require.NoError(t, os.Remove(file))
	write("workers 1\n")
	hup(t, s, reloadedLine, 1)
	ready(t, s, 1)

	makeHang(t, file)
	s.Signal(t, unix.SIGHUP)
	s.Signal(t, unix.SIGTERM)
	require.Zero(t, s.Wait(t))
}

// A FIFO does not hang: nobody waits for who may write to it.
func TestSettingsInAFIFOAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 1\n")
	s := harness.Start(t, "-config", file)
	ready(t, s, 1)
	require.NoError(t, os.Remove(file))
	require.NoError(t, unix.Mkfifo(file, 0o600))
	code, _, stderr := harness.Run(t, "-config", file)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "no regular file")
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Not reloaded, all stays as it was: -config: .* is no regular file"))
	require.NoError(t, os.Remove(file))
	write("workers 2\n")
	hup(t, s, reloadedLine, 1)
	ready(t, s, 2)
}

// And is given up after a time.
func TestAReloadThatTakesTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	file, write := settingsFile(t, "workers 1\n")
	s := harness.Start(t, "-config", file)
	ready(t, s, 1)
	makeHang(t, file)
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Not reloaded, all stays as it was: they could not be read"))
	require.NoError(t, os.Remove(file))
	write("workers 2\n")
	hup(t, s, reloadedLine, 1)
	ready(t, s, 2)
}
