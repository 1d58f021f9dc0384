package behaviour

// Disks that fail, hang, or answer in a way of their own. The disk is a loop device whose
// backing file is cut, which only root can have; the rest is strace's injection of errors.

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/tests/harness"
)

// largeFile is a file that is not kept in memory, in bytes.
const largeFile = 4 << 20

// rootWithLarge makes a folder with one file of no two equal parts, and says what is in it.
func rootWithLarge(t *testing.T) (root, file string, content []byte) {
	root = t.TempDir()
	file = filepath.Join(root, "large.txt")
	content = numbered(largeFile)
	require.NoError(t, os.WriteFile(file, content, 0o644))
	return root, file, content
}

// download asks for a path and reads what comes of the answer. err tells that it broke off.
func download(t *testing.T, s *harness.Server, path string) (body []byte, err error) {
	t.Helper()
	resp, err := http.Get(s.URL(path))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	return io.ReadAll(resp.Body)
}

// failingDisk mounts a file system of which the later half can be cut off. The test is
// skipped where that is not allowed.
func failingDisk(t *testing.T) (dir string, cut func()) {
	t.Helper()
	work := t.TempDir()
	image, dir := filepath.Join(work, "image"), filepath.Join(work, "mounted")
	require.NoError(t, os.WriteFile(image, nil, 0o600))
	require.NoError(t, os.Truncate(image, 64<<20))
	require.NoError(t, os.Mkdir(dir, 0o755))
	may := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("no disk to break here: %s %v: %v\n%s", name, args, err, out)
		}
	}
	may("mkfs.ext4", "-q", "-O", "^has_journal", image)
	may("mount", "-o", "loop,errors=continue", image, dir)
	t.Cleanup(func() { exec.Command("umount", dir).Run() })
	return dir, func() {
		unix.Sync()
		require.NoError(t, os.Truncate(image, 20<<20))
	}
}

var _ = test("UnreadableFiles", unreadableFiles, perDriver("sendfile"))

// unreadableFiles: a download that comes to a part of the disk that cannot be read ends, is
// told in the log and counted, and neither it nor its client keeps anything busy.
func unreadableFiles(t *testing.T) {
	root, cut := failingDisk(t)
	file := filepath.Join(root, "large.txt")
	content := numbered(40 << 20)
	require.NoError(t, os.WriteFile(file, content, 0o644))
	cut()
	harness.DropFromCache(t, file)
	_, err := os.ReadFile(file)
	require.ErrorIs(t, err, unix.EIO, "the disk is broken")
	harness.DropFromCache(t, file)
	s := harness.Start(t, "-root", root, "-drain-timeout", "60")
	got, err := download(t, s, "/large.txt")
	require.Error(t, err, "a part is missing, and looks so")
	require.True(t, bytes.HasPrefix(content, got), "what came is right")
	s.Log.Await(t, regexp.MustCompile(`Connection closed: .*cannot be read: input/output error`))
	_, stats := s.Get(t, "/stats")
	require.Contains(t, string(stats), `"errors":{"broken-file":1}`)
	harness.Eventually(t, "nothing goes on", func() bool { return nobodyElse(t, s) })
}

var _ = test("ErrorsOfReading", errorsOfReading, perDriver("sendfile"))

// errorsOfReading: what the system calls that read a file may answer beside bytes.
func errorsOfReading(t *testing.T) {
	copies := zeroCopy()
	for _, tt := range []struct {
		name, how string
		broken    bool
	}{
		{"a bad block", "pread64,preadv2,sendfile:error=EIO", true},
		{"a file that its server has forgotten", "pread64,preadv2,sendfile:error=ESTALE", true},
		{"a bad block that sendfile meets", "sendfile:error=EIO", copies},
		{"a forgotten file that sendfile meets", "sendfile:error=ESTALE", copies},
		{"a file that sendfile cannot send", "sendfile:error=EINVAL", false},
		{"a system without sendfile", "sendfile:error=ENOSYS", false},
		{"a file system without sendfile", "sendfile:error=EOPNOTSUPP", false},
		{"a container that forbids sendfile", "sendfile:error=EPERM", false},
		{"a file system that never has anything in memory", "preadv2:error=EAGAIN", false},
		{"a file system that cannot say what is in memory", "preadv2:error=EOPNOTSUPP", false},
		{"a system without preadv2", "preadv2:error=ENOSYS", false},
		{"a container that forbids preadv2", "preadv2:error=EPERM", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, file, content := rootWithLarge(t)
			s := harness.Start(t, "-root", root, "-drain-timeout", "60")
			s.InjectFor(t, file, tt.how)
			got, err := download(t, s, "/large.txt")
			if !tt.broken {
				require.NoError(t, err)
				require.True(t, bytes.Equal(content, got))
				return
			}
			require.Error(t, err)
			require.True(t, bytes.HasPrefix(content, got))
			s.Log.Await(t, regexp.MustCompile("Connection closed: .*cannot be read"))
		})
	}
}

var _ = test("ClientsOfAHungDisk", clientsOfAHungDisk)

// clientsOfAHungDisk: while the disk does not answer, a client that has reset its connection
// is noticed, its place is free again, and who else asks is served.
func clientsOfAHungDisk(t *testing.T) {
	if oneThreadEach() {
		t.Skip("its thread waits for the disk, and for nothing else")
	}
	root, file, _ := rootWithLarge(t)
	s := harness.Start(t, "-root", root)
	before := sockets(t, s)
	// Nothing is in memory, and reading takes longer than any test (µs).
	stop := s.InjectFor(t, file, "preadv2:error=EAGAIN", "pread64:delay_enter=600000000")
	const clients = 5
	var conns [clients]net.Conn
	for i := range conns {
		conns[i] = s.Dial(t)
		fmt.Fprint(conns[i], "GET /large.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	harness.Eventually(t, "threads wait for the disk, one for each client", func() bool { return held(t, s) == clients })
	for _, c := range conns {
		require.NoError(t, c.(*net.TCPConn).SetLinger(0))
		c.Close()
	}
	harness.Eventually(t, "nobody is there any more", func() bool { return nobodyElse(t, s) })
	harness.Eventually(t, "no socket is left", func() bool { return sockets(t, s) == before })
	require.Equal(t, clients, held(t, s), "the disk has not answered yet")
	stop()
}

// reading is how the system call is written by which the server waits for a disk.
var reading = fmt.Appendf(nil, "%d ", unix.SYS_PREAD64)

// sockets is how many sockets the server has open.
func sockets(t *testing.T, s *harness.Server) (n int) {
	for _, pid := range s.Processes(t) {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		require.NoError(t, err)
		for _, link := range links {
			if what, err := os.Readlink(link); err == nil && strings.HasPrefix(what, "socket:") {
				n++
			}
		}
	}
	return n
}

// held is how many of the server's threads a tracer holds (proc_pid_stat(5), state t) where they
// read a file (proc_pid_syscall(5)). It may be looking at others for a moment.
func held(t *testing.T, s *harness.Server) (n int) {
	for _, pid := range s.Processes(t) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		require.NoError(t, err)
		for _, task := range tasks {
			stat, _ := os.ReadFile(task)
			call, _ := os.ReadFile(filepath.Join(filepath.Dir(task), "syscall"))
			if bytes.Contains(stat, []byte(") t ")) && bytes.HasPrefix(call, reading) {
				n++
			}
		}
	}
	return n
}

var _ = test("FilesThatAreGoneGiveTheirRoomBack", filesThatAreGoneGiveTheirRoomBack, perProcess("filecache"))

// filesThatAreGoneGiveTheirRoomBack: nobody else has to ask for a large file that was removed, or
// that another was renamed over, before the disk has its room back. Who is downloading it does not
// notice.
func filesThatAreGoneGiveTheirRoomBack(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, file string){
		"removed": func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
		"replaced": func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+".new", []byte("new"), 0o644))
			require.NoError(t, os.Rename(file+".new", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, file, content := rootWithLarge(t)
			s := harness.Start(t, "-root", root, "-sock-buf", "65536")
			resp, err := http.Get(s.URL("/large.txt"))
			require.NoError(t, err)
			defer resp.Body.Close()
			require.NotZero(t, holders(t, s, file))
			change(t, file)
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))
			harness.Eventually(t, "nobody holds the file", func() bool { return holders(t, s, file) == 0 })
		})
	}
}

// holders is how many descriptors of the server lead to what had that name, or has it.
func holders(t *testing.T, s *harness.Server, file string) (n int) {
	for _, pid := range s.Processes(t) {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, fd := range fds {
			link, _ := os.Readlink(filepath.Join(dir, fd.Name())) // it may be closed by now
			if strings.TrimSuffix(link, " (deleted)") == file {
				n++
			}
		}
	}
	return n
}
