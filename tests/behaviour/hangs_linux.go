package behaviour

// What hangs beside a server: a log that nobody reads, a folder that does not answer. It
// must keep the server neither from serving, nor from hearing signals, nor from ending.

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// logFlags are those that name a log.
var logFlags = []string{"-log-file", "-access-log"}

// badLogs are logs that cannot be opened: each puts one at a path.
var badLogs = map[string]func(t *testing.T, path string){
	"a FIFO that nobody reads": makeFIFO,
	"a folder that does not answer": func(t *testing.T, path string) {
		require.NoError(t, os.Symlink(filepath.Join(hungFolder(t), "log"), path))
	},
}

func makeFIFO(t *testing.T, path string) { require.NoError(t, unix.Mkfifo(path, 0o600)) }

func hungFolder(t *testing.T) string {
	folder, _ := HungFolder(t)
	return folder
}

// HungFolder is a folder of a file system (fuse(4)) whose server never answers: whoever opens
// something there waits until end is called, or the test ends, and then gets an error.
func HungFolder(t *testing.T) (folder string, end func()) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		t.Skip("needs /dev/fuse: ", err)
	}
	require.NoError(t, err)
	folder = t.TempDir()
	err = unix.Mount("fuse", folder, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd))
	if errors.Is(err, unix.EPERM) {
		unix.Close(fd)
		t.Skip("needs the right to mount")
	}
	require.NoError(t, err)
	end = sync.OnceFunc(func() { unix.Close(fd) }) // who waits is told that the file system is gone
	t.Cleanup(func() {
		end()
		require.NoError(t, unix.Unmount(folder, unix.MNT_DETACH))
	})
	return folder, end
}

var _ = test("LogsThatCannotBeOpenedAtTheStart", logsThatCannotBeOpenedAtTheStart, perProcess("logging"))

// logsThatCannotBeOpenedAtTheStart: one line says which log it is, and the program ends.
func logsThatCannotBeOpenedAtTheStart(t *testing.T) {
	for name, put := range badLogs {
		for _, flag := range logFlags {
			t.Run(name+" as "+flag, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "log")
				put(t, path)
				code, _, stderr := harness.Run(t, "-listen", "127.0.0.1:0", flag, path)
				require.Equal(t, 1, code, stderr)
				require.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %q", stderr)
				require.Contains(t, stderr, path)
				require.Contains(t, stderr, "give another "+flag)
			})
		}
	}
}

var _ = test("StartsThatHang", startsThatHang, perProcess("start"))

// startsThatHang: a server whose folder does not answer at its start cannot serve yet. It hears who
// asks it to end, gives the folder a moment more, or none on a second signal, and ends in one line.
func startsThatHang(t *testing.T) {
	for _, signals := range [][]syscall.Signal{{syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGTERM}} {
		t.Run(fmt.Sprint(signals), func(t *testing.T) {
			stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
			require.NoError(t, err)
			defer stderr.Close()
			s := startQuietly(t, stderr, "-root", hungFolder(t)) // it listens before it opens the root
			for _, sig := range signals {
				s.signal(t, sig)
			}
			code := s.ended()
			said, err := os.ReadFile(stderr.Name())
			require.NoError(t, err)
			require.Equal(t, 1, code, "%s", said)
			require.Contains(t, string(said), "ended before it could serve")
			require.Equal(t, 1, strings.Count(string(said), "ended before"), "%s", said)
		})
	}
}

var _ = test("LogsThatCannotBeReopened", logsThatCannotBeReopened, perProcess("logging"))

// logsThatCannotBeReopened: it is said, the old file stays in use, and the server serves and
// hears signals. Stage 4 reloads on HUP: it keeps its workers, and says that it does.
func logsThatCannotBeReopened(t *testing.T) {
	for name, put := range badLogs {
		for _, flag := range logFlags {
			for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
				t.Run(fmt.Sprintf("%s as %s on %v", name, flag, sig), func(t *testing.T) {
					t.Parallel()
					path := filepath.Join(t.TempDir(), "log")
					args := []string{flag, path, "-drain-timeout", "1"}
					if flag == "-access-log" {
						args = append(args, "-log-file", path+".server")
					}
					s := startQuietly(t, os.Stderr, args...)
					says := func() (text string) {
						for _, end := range []string{"", ".old", ".server"} {
							if info, err := os.Lstat(path + end); err == nil && info.Mode().IsRegular() {
								part, _ := os.ReadFile(path + end)
								text += string(part)
							}
						}
						return text
					}
					harness.Eventually(t, "the banner is out", func() bool { return strings.Contains(says(), "Press Ctrl+C") })
					require.NoError(t, os.Rename(path, path+".old"))
					put(t, path)
					s.signal(t, sig)
					status, _ := s.Get(t, "/index.html")
					require.Equal(t, 200, status, "it serves while the folder does not answer")
					harness.Eventually(t, "it is said", func() bool {
						return strings.Contains(says(), "Log files not reopened") || strings.Contains(says(), "Not reloaded")
					})
					s.Get(t, "/contact.html")
					s.signal(t, syscall.SIGTERM)
					if code := s.ended(); code != 0 { // a process that a disk holds may be unkillable
						require.Equal(t, 1, code, "exit status; it says:\n%s", says())
						require.Contains(t, name, "does not answer")
					}
					require.Contains(t, says(), "Stopping on terminated")
					if flag == "-access-log" {
						require.Contains(t, says(), "/contact.html", "the old file stays in use")
					}
				})
			}
		}
	}
}

var _ = test("LogsWhoseReaderStandsStill", logsWhoseReaderStandsStill, perProcess("logging"))

// logsWhoseReaderStandsStill: what is not read is lost, and nothing else. The server serves,
// hears signals, and ends.
func logsWhoseReaderStandsStill(t *testing.T) {
	const term, hup, usr1 = syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1
	for _, flag := range append(logFlags, "standard error") {
		for _, signals := range [][]syscall.Signal{{term}, {hup, term}, {usr1, term}, {term, term}} {
			t.Run(fmt.Sprint(flag, signals), func(t *testing.T) {
				t.Parallel()
				log := filepath.Join(t.TempDir(), "log")
				makeFIFO(t, log)
				reader, err := os.OpenFile(log, os.O_RDONLY|unix.O_NONBLOCK, 0) // it never reads
				require.NoError(t, err)
				defer reader.Close()
				unix.FcntlInt(reader.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize())
				args, stderr := []string{flag, log}, os.Stderr
				if flag == "standard error" {
					args = []string{"-access-log", "-"}
					stderr, err = os.OpenFile(log, os.O_WRONLY, 0)
					require.NoError(t, err)
					defer stderr.Close()
				}
				drain := "3"
				if len(signals) == 2 && signals[0] == term {
					drain = "600"
				}
				s := startQuietly(t, stderr, append(args, "-max-requests", "0", "-head-timeout", "600", "-drain-timeout", drain)...)
				c := s.Dial(t)
				for range 200 {
					status, err := Exchange(c, "/a.php?"+strings.Repeat("x", 1000))
					require.NoError(t, err)
					require.Equal(t, 415, status)
				}
				harness.Eventually(t, "there are lines in the pipe, which has no room for all", func() bool {
					n, err := unix.IoctlGetInt(int(reader.Fd()), unix.TIOCINQ)
					return err == nil && n > 0
				})
				fmt.Fprintf(s.Dial(t), "GET / HTTP/1.1\r\n") // never finished: it holds a stop up
				for i, sig := range signals {
					s.signal(t, sig)
					if i == 0 && sig == term { // two that come at once may be one
						harness.Eventually(t, "it stops", func() bool {
							c, err := net.Dial("unix", s.Addr)
							if err == nil {
								c.Close()
							}
							return err != nil
						})
					}
				}
				require.Zero(t, s.ended(), "exit status")
			})
		}
	}
}

// quiet is a server whose banner nobody reads.
type quiet struct {
	*harness.Server
	cmd  *exec.Cmd
	done chan struct{}
}

// startQuietly starts the stage on a Unix socket, and waits until it is there.
func startQuietly(t *testing.T, stderr *os.File, args ...string) *quiet {
	folder, err := os.MkdirTemp("", "quiet") // short: a socket's path has 108 bytes (unix(7))
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	cmd := exec.Command(harness.Binary(), append([]string{"-listen", "unix:" + socket}, args...)...)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	s := &quiet{Server: &harness.Server{Addr: socket}, cmd: cmd, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-s.done
	})
	harness.Eventually(t, "it serves", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

func (s *quiet) signal(t *testing.T, sig syscall.Signal) {
	require.NoError(t, s.cmd.Process.Signal(sig))
}

// ended waits for the end, and returns the exit status: -1 where it does not come.
func (s *quiet) ended() int {
	select {
	case <-s.done:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(harness.Patience):
		return -1
	}
}

var _ = test("StopWithAHungThread", stopWithAHungThread)

// stopWithAHungThread: the time-out of a stop holds although a thread that serves will never
// run again.
func stopWithAHungThread(t *testing.T) {
	if hasMaster() {
		t.Skip("here a watchdog looks after the workers")
	}
	const drain = 1
	s := harness.Start(t, "-workers", "1", "-max-requests", "0", "-drain-timeout", fmt.Sprint(drain))
	c := s.Dial(t)
	before := haveRead(t, s.PID)
	const exchanges = 100
	for range exchanges {
		status, err := Exchange(c, "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
	}
	var serving []int
	for tid, n := range haveRead(t, s.PID) {
		if n-before[tid] >= exchanges {
			serving = append(serving, tid)
		}
	}
	require.Len(t, serving, 1, "threads that have read each request")
	hangThread(t, serving[0])
	begun := time.Now()
	s.Signal(t, syscall.SIGTERM)
	require.Equal(t, 1, s.Wait(t), "something hung, and the status says so")
	require.Greater(t, time.Since(begun), drain*time.Second)
	require.Contains(t, s.Log.String(), "something hangs")
}

// haveRead is how often each thread of a process has called read(2) (syscr, proc_pid_io(5)). Who
// serves reads each request. How long a thread has run says less: the runtime's own threads look
// for work, and on a busy machine for longer than that takes.
func haveRead(t *testing.T, pid int) map[int]int {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/io", pid))
	require.NoError(t, err)
	if len(paths) == 0 {
		t.Skip("needs a kernel that counts what threads read (CONFIG_TASK_IO_ACCOUNTING)")
	}
	all := map[int]int{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		require.NoError(t, err)
		tid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(t, err)
		_, count, found := strings.Cut(string(text), "syscr: ")
		require.True(t, found, "%s", text)
		all[tid], err = strconv.Atoi(strings.Fields(count)[0])
		require.NoError(t, err)
	}
	return all
}

// hangThread stops one thread of another process for good (ptrace(2)). SIGSTOP would stop all
// of them.
func hangThread(t *testing.T, tid int) {
	t.Helper()
	stopped := make(chan error)
	go func() {
		runtime.LockOSThread() // the tracer is a thread, and not the process
		err := unix.PtraceSeize(tid)
		if err == nil {
			err = unix.PtraceInterrupt(tid)
		}
		if err == nil {
			_, err = unix.Wait4(tid, nil, unix.WALL, nil)
		}
		stopped <- err
		if err == nil {
			unix.Wait4(tid, nil, unix.WALL, nil) // its end, or the process would never have ended
		}
	}()
	err := <-stopped
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skip("needs the right to trace: ", err)
	}
	require.NoError(t, err)
}

var _ = test("CertificatesThatDoNotAnswer", certificatesThatDoNotAnswer, perProcess("certs"))

// certificatesThatDoNotAnswer: where HUP finds a certificate on a disk that hangs, the old one is
// kept, the log says why, and the server ends when it is told to.
func certificatesThatDoNotAnswer(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	pair := Pair(dir, "pair", root.Leaf("a.test"))
	s, addr := StartTLS(t, append(pair, "-drain-timeout", "2")...)
	before := served(t, addr, Client(root, "a.test"))
	require.NoError(t, os.Remove(pair[1]))
	require.NoError(t, os.Symlink(filepath.Join(hungFolder(t), "pair"), pair[1]))
	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`Certificates not reloaded yet.*do not answer|Not reloaded.*could not be read`))
	require.Equal(t, before.Raw, served(t, addr, Client(root, "a.test")).Raw)
	s.Signal(t, unix.SIGTERM)
	s.Wait(t)
}
