package behaviour

// Files that change while they are served, or that only look as if they had not.
//
// Each case owns the folder that its server serves. What must not be done: a case must not rely on
// the time at which the server looks at a file, only on what it sends afterwards.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/tests/harness"
)

// numbered is so many bytes of which no two parts are alike.
func numbered(size int) []byte {
	b := make([]byte, 0, size+16)
	var digits [16]byte
	for len(b) < size {
		number := strconv.AppendInt(digits[:0], int64(len(b)), 16)
		b = append(b, "000000000000000"[len(number):]...)
		b = append(append(b, number...), '\n')
	}
	return b[:size]
}

var _ = test("FilesThatChangeWhileTheyAreSent", filesThatChangeWhileTheyAreSent, perDriver("sendfile"))

// filesThatChangeWhileTheyAreSent: a download has the bytes of one state of the file, or it looks
// broken; and whoever asks next has the new state.
func filesThatChangeWhileTheyAreSent(t *testing.T) {
	const size = 32 << 20 // more than sockets hold
	before := numbered(size)
	after := bytes.ToUpper(before)
	overwrite := func(t *testing.T, file string, content []byte) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.Write(content)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, file string)
		whole  bool
		says   string
		next   []byte
	}{
		{"overwritten where it is", func(t *testing.T, file string) { overwrite(t, file, after) }, false, "was changed", after},
		{"overwritten where it is, and its time set back", func(t *testing.T, file string) {
			info, err := os.Stat(file)
			require.NoError(t, err)
			overwrite(t, file, after)
			require.NoError(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
		}, false, "was changed", after},
		{"cut", func(t *testing.T, file string) { require.NoError(t, os.Truncate(file, size/2)) }, false, "became shorter", before[:size/2]},
		{"replaced by another", func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+".new", after, 0o644))
			require.NoError(t, os.Rename(file+".new", file))
		}, true, "", after},
		{"removed", func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) }, true, "", nil},
		{"given another name beside its own", func(t *testing.T, file string) { require.NoError(t, os.Link(file, file+".txt")) }, true, "", before},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, "large.txt")
			require.NoError(t, os.WriteFile(file, before, 0o644))
			s := harness.Start(t, "-root", root, "-sock-buf", "65536")
			c := s.Dial(t)
			fmt.Fprint(c, "GET /large.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			got := make([]byte, size/8)
			_, err = io.ReadFull(resp.Body, got)
			require.NoError(t, err)
			tt.change(t, file)
			rest, err := io.ReadAll(resp.Body)
			if tt.whole {
				require.NoError(t, err)
				require.True(t, bytes.Equal(before, append(got, rest...)))
			} else {
				require.Error(t, err)
				s.Log.Await(t, regexp.MustCompile("Connection closed: .*"+tt.says))
			}
			status, next := s.Get(t, "/large.txt")
			if tt.next == nil {
				require.Equal(t, 404, status)
				return
			}
			require.Equal(t, 200, status)
			require.True(t, bytes.Equal(tt.next, next), "at once")
		})
	}
}

var _ = test("FilesOfTheSameSizeAndTime", filesOfTheSameSizeAndTime, once("filecache"))

// filesOfTheSameSizeAndTime: other bytes have another tag, so they are neither taken for those that
// a client has, nor joined to some of them.
func filesOfTheSameSizeAndTime(t *testing.T) {
	for name, size := range map[string]int{"in memory": 5000, "from its descriptor": 500_000} {
		for _, at := range []int64{0, 1, 315532800, 1_700_000_000} {
			if at == 1_700_000_000 && size > 5000 {
				continue // a time that is to be trusted
			}
			t.Run(fmt.Sprintf("a file %s, of time %d", name, at), func(t *testing.T) {
				root := t.TempDir()
				file := filepath.Join(root, "a.txt")
				put := func(content []byte) {
					require.NoError(t, os.WriteFile(file+".new", content, 0o644))
					require.NoError(t, os.Chtimes(file+".new", time.Unix(at, 0), time.Unix(at, 0)))
					require.NoError(t, os.Rename(file+".new", file))
				}
				first := numbered(size)
				second := bytes.ToUpper(first)
				second[0]++
				put(first)
				s := harness.Start(t, "-root", root, "-workers", "1") // several notice it one after the other
				tag := askFor(t, s, "").Header.Get("ETag")
				require.NotEmpty(t, tag)
				put(second)
				harness.Eventually(t, "the change is noticed", func() bool { return askFor(t, s, "").body[0] == second[0] })
				require.Equal(t, 200, askFor(t, s, "If-None-Match: "+tag).StatusCode)
				spliced := askFor(t, s, "If-Range: "+tag+"\r\nRange: bytes=10-")
				require.Equal(t, 200, spliced.StatusCode)
				require.True(t, bytes.Equal(second, spliced.body))
				now := spliced.Header.Get("ETag")
				require.Equal(t, 304, askFor(t, s, "If-None-Match: "+now).StatusCode)
				require.Equal(t, at > 1, spliced.Header.Get("Last-Modified") != "")
			})
		}
	}
}

// reply is an answer that was read whole.
type reply struct {
	*http.Response
	body []byte
}

// askFor asks for /a.txt with further fields.
func askFor(t *testing.T, s *harness.Server, fields string) reply {
	t.Helper()
	c := s.Dial(t)
	defer c.Close()
	if fields != "" {
		fields += "\r\n"
	}
	fmt.Fprintf(c, "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", fields)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp, body}
}

var _ = test("OldCompressedFiles", oldCompressedFiles, once("filecache"))

// oldCompressedFiles: a compressed neighbour made within two seconds of its original is sent; one
// that is older is not, and the log says so once.
func oldCompressedFiles(t *testing.T) {
	root := t.TempDir()
	at := time.Unix(1_700_000_000, 0)
	for name, age := range map[string]time.Duration{"a.txt": 0, "a.txt.br": 3 * time.Second, "a.txt.zst": 1900 * time.Millisecond} {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(name), 0o644))
		require.NoError(t, os.Chtimes(filepath.Join(root, name), at, at.Add(-age)))
	}
	s := harness.Start(t, "-root", root, "-workers", "1")
	for range 3 {
		require.Equal(t, "a.txt.zst", string(askFor(t, s, "Accept-Encoding: br, zstd").body))
	}
	s.Log.Await(t, regexp.MustCompile(`Compressed file not sent file=a.txt.br reason="it is older`))
	require.Equal(t, 1, s.Log.Count("Compressed file not sent"))
}

var _ = test("RootThatChanges", rootThatChanges)

// rootThatChanges: what is served is the folder that the root's name led to, until HUP; a folder
// that is gone makes the server degraded.
func rootThatChanges(t *testing.T) {
	dir := t.TempDir()
	build := func(name string) string {
		folder := filepath.Join(dir, name)
		require.NoError(t, os.Mkdir(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "a.txt"), []byte(name), 0o644))
		return folder
	}
	build("first")
	build("second")
	root := filepath.Join(dir, "current")
	require.NoError(t, os.Symlink("first", root))
	redirects := filepath.Join(dir, "redirects")
	require.NoError(t, os.WriteFile(redirects, nil, 0o644))
	s := harness.Start(t, "-root", root, "-redirects", redirects)
	text := func() string { return string(askFor(t, s, "").body) }
	require.Equal(t, "first", text())

	require.NoError(t, os.Symlink("second", root+".new"))
	require.NoError(t, os.Rename(root+".new", root))
	s.Log.Await(t, regexp.MustCompile("The old folder is served on"))
	require.Equal(t, "first", text())
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the second folder is served", func() bool { return text() == "second" })

	status := func() int { code, _ := s.Get(t, "/health"); return code }
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "second")))
	harness.Eventually(t, "the server is degraded", func() bool { return status() == 503 })
	s.Log.Await(t, regexp.MustCompile("The served folder is gone"))
	build("second")
	s.Signal(t, syscall.SIGHUP)
	harness.Eventually(t, "the folder is served again", func() bool { return text() == "second" && status() == 200 })

	if hasMaster() {
		return // it would refuse the reload as a whole
	}
	require.NoError(t, os.WriteFile(redirects, []byte("nonsense\n"), 0o644))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "second")))
	build("second")
	served := s.Log.Count("Serving the folder that has the root's name now")
	s.Signal(t, syscall.SIGHUP)
	s.Log.Await(t, regexp.MustCompile("Not all that is served was opened anew"))
	harness.Eventually(t, "that the folder is another one is told all the same", func() bool {
		return s.Log.Count("Serving the folder that has the root's name now") > served
	})
}

var _ = test("RootThatCannotBeSeen", rootThatCannotBeSeen, once("site"))

// rootThatCannotBeSeen: a look at the root that fails, by a disk or for want of memory, does not
// mean that it is gone.
func rootThatCannotBeSeen(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("here"), 0o644))
	s := harness.Start(t, "-root", dir)
	stop := s.InjectFor(t, dir, "newfstatat:error=EIO:when=1+2") // every other look
	s.Log.Await(t, regexp.MustCompile(`cannot be looked at.*input/output error`))
	s.Log.Await(t, regexp.MustCompile("The served folder is there under its name"))
	stop()
	status, _ := s.Get(t, "/health")
	require.Equal(t, 200, status)
	require.Zero(t, s.Log.Count("is gone"))
	require.Equal(t, "here", string(askFor(t, s, "").body))
}

var _ = test("UploadsOfARootThatChanges", uploadsOfARootThatChanges)

// uploadsOfARootThatChanges: after HUP uploads go to the folder uploads of the root that is served
// then, and are 404 where it has none. One that is under way comes to its end.
func uploadsOfARootThatChanges(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"first/uploads", "second/uploads", "third"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	for _, name := range []string{"first", "second", "third"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "a.txt"), []byte(name), 0o644))
	}
	root := filepath.Join(dir, "current")
	require.NoError(t, os.Symlink("first", root))
	workers := "1"
	if oneThreadEach() {
		workers = "4" // one is held by the upload that is under way, others by connections that are kept
	}
	s := harness.Start(t, "-root", root, "-workers", workers)
	upload := func() int {
		resp, err := http.Post(s.URL("/upload"), "application/json", strings.NewReader("{}"))
		require.NoError(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	change := func(to string) {
		require.NoError(t, os.Symlink(to, root+".new"))
		require.NoError(t, os.Rename(root+".new", root))
		s.Signal(t, syscall.SIGHUP)
		harness.Eventually(t, to+" is served", func() bool { return string(askFor(t, s, "").body) == to })
	}
	files := func(name string) int {
		list, _ := filepath.Glob(filepath.Join(dir, name, "uploads", "*.json"))
		return len(list)
	}
	require.Equal(t, 201, upload())
	finish := uploadUnderWay(t, s, 200_000)

	change("second")
	harness.Eventually(t, "uploads go to the second root", func() bool { return upload() == 201 && files("second") > 0 })
	require.FileExists(t, filepath.Join(dir, "first", finish().Header.Get("Location")))

	change("third")
	harness.Eventually(t, "no uploads are taken", func() bool { return upload() == 404 })
	change("first")
	harness.Eventually(t, "uploads are taken again", func() bool { return upload() == 201 })
}

var _ = test("AbsoluteLinks", absoluteLinks, once("site"))

// absoluteLinks: a link that names its target from / is refused, also where that lies inside the
// root, and the log says once what to do about it. A relative one is followed.
func absoluteLinks(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.txt"), []byte("a"), 0o644))
	require.NoError(t, os.Symlink("a.txt", filepath.Join(root, "relative.txt")))
	require.NoError(t, os.Symlink(filepath.Join(root, "a.txt"), filepath.Join(root, "absolute.txt")))
	s := harness.Start(t, "-root", root, "-workers", "1")
	for path, want := range map[string]int{"/relative.txt": 200, "/absolute.txt": 403} {
		for range 2 {
			status, _ := s.Get(t, path)
			require.Equal(t, want, status, path)
		}
	}
	s.Log.Await(t, regexp.MustCompile(`ln -sr makes relative ones path=/absolute\.txt`))
	require.Equal(t, 1, s.Log.Count("ln -sr"))
}
