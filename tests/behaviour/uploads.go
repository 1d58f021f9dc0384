package behaviour

// Uploads, as a process: where they go, how many may lie there, and what becomes of everybody
// else while a disk is slow.

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// rootWithUploads is a folder that takes uploads.
func rootWithUploads(t testing.TB) string {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "uploads"), 0o755))
	return root
}

// uploadTo uploads a text on a connection of its own, and returns the answer's status and body.
func uploadTo(t *testing.T, s *harness.Server, body string, fields ...string) (status int, answer string) {
	t.Helper()
	c := s.Dial(t)
	defer c.Close()
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		len(body), strings.Join(fields, ""), body)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if !assert.NoError(t, err) { // it may be called on any goroutine
		return 0, ""
	}
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	return resp.StatusCode, string(text)
}

// together is how many workers make uploads wait for one another: a thread each, or one
// pool for slow work.
func together(uploads int) string {
	if oneThreadEach() {
		return strconv.Itoa(uploads + 4)
	}
	return "1"
}

var _ = test("UploadsToAHangingDisk", uploadsToAHangingDisk)

// uploadsToAHangingDisk: while a disk takes its time with uploads, more of them than there
// are threads for slow work, files are found and read, and it is found that there is none.
func uploadsToAHangingDisk(t *testing.T) {
	if harness.Race() {
		t.Skip("a traced program with the race detector is too slow")
	}
	const uploads = 16
	root := rootWithUploads(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "cold.txt"), []byte("cold"), 0o644))
	s := harness.Start(t, "-root", root, "-workers", together(uploads), "-min-rate", "0")
	trace, stop := s.Inject(t, "fsync:delay_enter=20s")
	var answered atomic.Int32
	var all sync.WaitGroup
	for range uploads {
		all.Go(func() {
			status, _ := uploadTo(t, s, "{}")
			answered.Add(1)
			assert.Equal(t, 201, status)
		})
	}
	harness.Eventually(t, "uploads are flushed", func() bool { return trace.Count("fsync(") >= 5 })
	for path, want := range map[string]int{"/missing.txt": 404, "/missing": 404, "/cold.txt": 200} {
		status, _ := s.Get(t, path)
		require.Equal(t, want, status, path)
	}
	require.Zero(t, answered.Load(), "uploads that ended first")
	stop()
	all.Wait()
}

var _ = test("UploadsFolder", uploadsFolder)

// uploadsFolder: uploads go where the root has a folder for them, or where the flag says, and
// nowhere else.
func uploadsFolder(t *testing.T) {
	elsewhere := t.TempDir()
	for _, tt := range []struct {
		name   string
		folder string   // what is prepared in the root: a folder, a file, a link out, or nothing
		flags  []string // besides -root
		status int
		at     string // where the upload lies then
		says   string // in the log
	}{
		{name: "a root with a folder for uploads", folder: "folder", status: 201, at: "uploads", says: `Taking uploads into ".+/uploads", up to 1024 MiB, up to 10000 files`},
		{name: "a root without one", status: 404},
		{name: "a root with a file of that name", folder: "file", status: 404},
		{name: "a link that leads out", folder: "link", status: 403, says: "Uploads are refused: .*the path leads out of the folder"},
		{name: "a folder by the flag", flags: []string{"-uploads", elsewhere}, status: 201, at: elsewhere, says: "Taking uploads into"},
		{name: "the flag goes before the root's", folder: "link", flags: []string{"-uploads", elsewhere}, status: 201, at: elsewhere},
		{name: "none", folder: "folder", flags: []string{"-uploads", "off"}, status: 404},
		{name: "none, though there is a link", folder: "link", flags: []string{"-uploads", "off"}, status: 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, outside := t.TempDir(), t.TempDir()
			path := filepath.Join(root, "uploads")
			switch tt.folder {
			case "folder":
				require.NoError(t, os.Mkdir(path, 0o755))
			case "file":
				require.NoError(t, os.WriteFile(path, nil, 0o644))
			case "link":
				require.NoError(t, os.Symlink(outside, path))
			}
			s := harness.Start(t, append([]string{"-root", root}, tt.flags...)...)
			before := files(t, elsewhere)
			status, answer := uploadTo(t, s, `{"kept":true}`)
			require.Equal(t, tt.status, status)
			require.Empty(t, files(t, outside))
			want := 405
			if tt.status == 404 {
				want = 404 // as if there were nothing
			}
			status, _ = s.Get(t, "/upload")
			require.Equal(t, want, status)
			require.Regexp(t, tt.says, s.Log.String())
			if tt.at == "" {
				require.Equal(t, before, files(t, elsewhere))
				if tt.folder == "" {
					require.NoDirExists(t, path, "no folder is made for strangers")
				}
				return
			}
			if !filepath.IsAbs(tt.at) {
				tt.at = filepath.Join(root, tt.at)
			}
			var said struct{ FilePath string }
			require.NoError(t, json.Unmarshal([]byte(answer), &said))
			text, err := os.ReadFile(filepath.Join(tt.at, filepath.Base(said.FilePath)))
			require.NoError(t, err)
			require.Equal(t, `{"kept":true}`, string(text))
		})
	}
	t.Run("a folder that is not there", func(t *testing.T) {
		code, _, says := harness.Run(t, "-listen", "127.0.0.1:0", "-root", t.TempDir(), "-uploads", "/no/such/folder")
		require.Equal(t, 1, code)
		require.Contains(t, says, "-uploads")
	})
}

// files is the names in a folder.
func files(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

var _ = test("UploadsLimit", uploadsLimit)

// uploadsLimit: there are never more files in the folder than there may be, however many
// uploads come at once and whoever takes them; not after a restart either, nor after one
// that was killed. Whoever removes files makes room.
func uploadsLimit(t *testing.T) {
	const limit, clients = 20, 40 // fewer than stage 1 lets wait
	root := rootWithUploads(t)
	folder := filepath.Join(root, "uploads")
	flags := []string{"-root", root, "-uploads-max-files", strconv.Itoa(limit), "-workers", "4"}
	many := func(s *harness.Server) (taken int32) {
		var created atomic.Int32
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				switch status, _ := uploadTo(t, s, "{}"); status {
				case 201:
					created.Add(1)
				default:
					assert.Equal(t, 507, status)
				}
			})
		}
		all.Wait()
		return created.Load()
	}
	s := harness.Start(t, flags...)
	taken := many(s)
	harness.Eventually(t, "every place can be had", func() bool {
		if taken < limit {
			taken += many(s)
		}
		return taken >= limit
	})
	require.EqualValues(t, limit, taken)
	require.Len(t, files(t, folder), limit)
	require.Equal(t, 1, min(s.Log.Count("-uploads-max-files"), 1), "and it is told")
	require.LessOrEqual(t, s.Log.Count("-uploads-max-files"), 4, "once, by each worker, though some were taken between")

	s.Signal(t, syscall.SIGKILL)
	s.Wait(t)
	next := harness.Start(t, flags...)
	status, _ := uploadTo(t, next, "{}")
	require.Equal(t, 507, status, "a restart forgets nothing")
	for _, name := range files(t, folder)[:2] {
		require.NoError(t, os.Remove(filepath.Join(folder, name)))
	}
	harness.Eventually(t, "there is room again", func() bool {
		status, _ := uploadTo(t, next, "{}")
		return status == 201
	})
	require.LessOrEqual(t, len(files(t, folder)), limit)
}

var _ = test("UploadsToOddFileSystems", uploadsToOddFileSystems, perDriver("uploads"))

// uploadsToOddFileSystems: whatever a file system cannot do, an upload is whole or not there;
// where nothing can be done, the client is told to come again, and the log what is to be
// mended: once.
func uploadsToOddFileSystems(t *testing.T) {
	if harness.Race() {
		t.Skip("a traced program with the race detector is too slow")
	}
	for _, tt := range []struct {
		name   string
		rule   string // with what it is about behind it, where that is not every file
		status int
		says   string
	}{
		{"no links, not even of files without a name", "linkat:error=EPERM", 201, ""},
		{"no links that it knows of", "linkat:error=EOPNOTSUPP", 201, ""},
		{"too many links", "linkat:error=EMLINK", 201, ""},
		{"no links, and no renaming without replacing", "linkat,renameat2:error=EINVAL", 201, ""},
		{"folders that cannot be flushed", "fsync:error=EINVAL:folder", 201, ""},
		{"files that need a name", "openat:error=EOPNOTSUPP:nameless", 201, ""},
		{"read-only", "openat:error=EROFS:folder", 503, "read-only file system"},
		{"not ours to write to", "openat:error=EACCES:folder", 503, "permission denied"},
		{"full", "openat:error=ENOSPC:folder", 507, "no space left on device"},
		{"over somebody's quota when it is flushed", "fsync:error=EDQUOT", 507, "quota exceeded"},
		{"broken", "fsync:error=EIO", 500, "input/output error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := rootWithUploads(t)
			folder := filepath.Join(root, "uploads")
			s := harness.Start(t, "-root", root, "-workers", "1")
			var more []string
			rule, inFolder := strings.CutSuffix(tt.rule, ":folder")
			if inFolder {
				more = []string{"-P", folder}
			}
			rule, nameless := strings.CutSuffix(rule, ":nameless") // made in ".", by O_TMPFILE (open(2))
			if nameless {
				more = []string{"-P", "."}
			}
			trace, stop := s.Inject(t, rule, more...)
			status, _ := uploadTo(t, s, `{"kept":true}`)
			require.Equal(t, tt.status, status, "%s", trace)
			harness.Eventually(t, "strace tells what it did", func() bool { return trace.Count("(INJECTED)") > 0 })
			status, _ = uploadTo(t, s, `{"kept":true}`)
			require.Equal(t, tt.status, status, "%s", trace)
			stop()
			if tt.status != 201 {
				harness.Eventually(t, "it is told", func() bool { return s.Log.Count(tt.says) > 0 })
				require.Equal(t, 1, s.Log.Count(tt.says), "told once")
				harness.Eventually(t, "nothing is left", func() bool { return len(files(t, folder)) == 0 })
				return
			}
			names := files(t, folder)
			require.Len(t, names, 2, "and nothing beside them: %v", names)
			for _, name := range names {
				text, err := os.ReadFile(filepath.Join(folder, name))
				require.NoError(t, err)
				require.Equal(t, `{"kept":true}`, string(text))
			}
		})
	}
}

// half begins an upload that is larger than memory is to hold, and waits until it has a file,
// whose name it returns, or until it is refused: then there is no name.
func half(t *testing.T, s *harness.Server, folder string) (name string) {
	c := s.Dial(t)
	fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n[%s", strings.Repeat("1,", 100_000))
	var refused atomic.Bool
	go func() {
		n, _ := c.Read(make([]byte, 1))
		refused.Store(n > 0)
	}()
	harness.Eventually(t, "the upload is in its file", func() bool {
		for _, pid := range s.Processes(t) {
			links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			for _, link := range links {
				if name, _ = os.Readlink(link); strings.HasPrefix(name, folder+"/") {
					return true
				}
			}
		}
		name = ""
		return refused.Load()
	})
	return name
}

var _ = test("CrashedUpload", crashedUpload)

// crashedUpload: a killed server leaves nothing of an upload; and where the file system has no
// files without names, what it leaves is removed by the next one, when it is old enough to be
// nobody's.
func crashedUpload(t *testing.T) {
	t.Run("without a name", func(t *testing.T) {
		root := rootWithUploads(t)
		s := harness.Start(t, "-root", root)
		half(t, s, filepath.Join(root, "uploads"))
		require.Empty(t, files(t, filepath.Join(root, "uploads")))
		s.Signal(t, syscall.SIGKILL)
		s.Wait(t)
		require.Empty(t, files(t, filepath.Join(root, "uploads")))
	})
	t.Run("with one", func(t *testing.T) {
		if harness.Race() {
			t.Skip("a traced program with the race detector is too slow")
		}
		root := rootWithUploads(t)
		s := harness.Start(t, "-root", root, "-workers", "1")
		var left string
		for left == "" { // each thread has a first call of its own, and the second try may be on another one
			_, stop := s.Inject(t, "openat:error=EOPNOTSUPP:when=1", "-P", filepath.Join(root, "uploads"))
			left = half(t, s, filepath.Join(root, "uploads"))
			stop()
		}
		require.True(t, strings.HasPrefix(filepath.Base(left), ".upload-"), "it is hidden: %s", left)
		s.Signal(t, syscall.SIGKILL)
		s.Wait(t)

		young := harness.Start(t, "-root", root)
		require.FileExists(t, left, "it could be another server's, which is still at work")
		young.Signal(t, syscall.SIGTERM)
		require.Zero(t, young.Wait(t))
		require.NoError(t, os.Chtimes(left, time.Time{}, time.Now().Add(-48*time.Hour)))
		next := harness.Start(t, "-root", root)
		require.NoFileExists(t, left)
		require.Equal(t, 1, next.Log.Count("Removed what a crash had left of uploads files=1\n"))
	})
}

var _ = test("BuiltInSiteWithoutAHome", builtInSiteWithoutAHome, perProcess("site"))

// builtInSiteWithoutAHome: where there is no cache folder, or none that is ours alone, the
// built-in site lies in one folder for all processes of a server, which is gone when the server
// is: after a start that failed, too.
func builtInSiteWithoutAHome(t *testing.T) {
	open := t.TempDir()
	require.NoError(t, os.Chmod(open, 0o777))
	for name, cache := range map[string]string{"no home": "", "a cache that others may write to": open} {
		t.Run(name, func(t *testing.T) {
			temp := t.TempDir()
			command := func(args ...string) *exec.Cmd {
				cmd := exec.Command(harness.Binary(), args...)
				cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool {
					return strings.HasPrefix(pair, "HOME=") || strings.HasPrefix(pair, "XDG_CACHE_HOME=")
				}), "TMPDIR="+temp)
				if cache != "" {
					cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+cache)
				}
				return cmd
			}
			s := harness.StartCommand(t, command("-listen", "127.0.0.1:0"))
			require.Len(t, files(t, temp), 1, "one folder for all")
			require.Equal(t, 1, s.Log.Count("is removed at the end"), "and it is said once")
			var uploads []string
			for range 8 { // whoever takes it
				status, _ := uploadTo(t, s, "{}")
				require.Equal(t, 201, status)
			}
			uploads = files(t, filepath.Join(temp, files(t, temp)[0], "uploads"))
			require.GreaterOrEqual(t, len(uploads), 8)

			taken := command("-listen", s.Addr)
			require.Error(t, taken.Run(), "the port is in use")
			require.Len(t, files(t, temp), 1, "a start that failed leaves nothing")
			s.Signal(t, syscall.SIGTERM)
			require.Zero(t, s.Wait(t))
			require.Empty(t, files(t, temp))
		})
	}
}
