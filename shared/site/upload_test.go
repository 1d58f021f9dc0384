package site

// Uploads from the first byte to the file, and what is left when one fails. The rig is that of
// driver_test.go; a file that fails is played by one of the test's own.

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/session"
	"fourways/shared/sysnet"
)

func post(body string) string {
	return "POST /upload HTTP/1.1\nContent-Type: application/json\nContent-Length: " + strconv.Itoa(len(body)) + "\n\n" + body
}

func postChunked(body string) string {
	var b strings.Builder
	b.WriteString("POST /upload HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n")
	for part := range strings.SplitSeq(body, "|") {
		if part != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(part), part)
		}
	}
	return b.String() + "0\r\n\r\n"
}

// uploads is the names in the folder of uploads.
func (r *rig) uploads() (names []string) {
	r.t.Helper()
	entries, err := os.ReadDir(filepath.Join(r.dir, uploadFolder))
	if err != nil {
		require.ErrorIs(r.t, err, os.ErrNotExist)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUploads(t *testing.T) {
	const kind = "POST /upload HTTP/1.1\nContent-Type: "
	large := `{"a":"` + strings.Repeat("0123456789abcdef", 40_000) + `"}` // 640,009 bytes
	tests := []struct {
		name    string
		request string
		status  int
		stored  string
	}{
		{"an object", post(`{"a":1}`), 201, `{"a":1}`},
		{"a number", post(`1`), 201, `1`},
		{"white space around it", post(" [1, 2]\r\n"), 201, " [1, 2]\r\n"},
		{"a chunked body", postChunked(`{"a"|:|1}`), 201, `{"a":1}`},
		{"more than memory is to hold", post(large), 201, large},
		{"more than memory is to hold, chunked", postChunked(large[:100_000] + "|" + large[100_000:]), 201, large},
		{"parameters after the type", kind + "Application/JSON; charset=utf-8\nContent-Length: 2\n\n{}", 201, "{}"},
		{"characters beyond ASCII", post(`"ü€𝄞"`), 201, `"ü€𝄞"`},

		{"no body", kind + "application/json\nContent-Length: 0", 400, ""},
		{"no length", kind + "application/json", 400, ""},
		{"an empty chunked body", postChunked(""), 400, ""},
		{"white space alone", post(" \n"), 400, ""},
		{"no JSON", post(`{"a":`), 400, ""},
		{"two texts", post(`{} {}`), 400, ""},
		{"text after it", post(`{}x`), 400, ""},
		{"a comma too many", post(`[1,]`), 400, ""},
		{"bytes that are not UTF-8", post("\"\xff\""), 400, ""},
		{"a character cut in two", post("\"\xc3\""), 400, ""},
		{"a large text that goes wrong at its end", post(large[:len(large)-1]), 400, ""},
		{"a large text with a byte after it", post(large + "x"), 400, ""},
		{"nested too deep", post(strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)), 400, ""},
		{"nested just deep enough", post(strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)), 201, strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)},
		{"another type", kind + "text/plain\nContent-Length: 2\n\n{}", 415, ""},
		{"two types", kind + "application/json\nContent-Type: text/plain\nContent-Length: 2\n\n{}", 400, ""},
		{"one type, twice", kind + "application/json\nContent-Type: application/json\nContent-Length: 2\n\n{}", 400, ""},
		{"no type", "POST /upload HTTP/1.1\nContent-Length: 2\n\n{}", 415, ""},
		{"for what has a tag", kind + "application/json\nIf-Match: \"x\"\nContent-Length: 2\n\n{}", 412, ""},
		{"for what is there", kind + "application/json\nIf-Match: *\nContent-Length: 2\n\n{}", 412, ""},
		{"for what is not there", kind + "application/json\nIf-None-Match: *\nContent-Length: 2\n\n{}", 201, "{}"},
		{"too much, as announced", kind + "application/json\nContent-Length: 1048577", 413, ""},
		{"too much, in chunks", postChunked(strings.Repeat(strings.Repeat(" ", 100_000)+"|", 11)), 413, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			got := r.ask(tt.request)
			require.Equal(t, tt.status, got.StatusCode)
			if tt.status != 201 {
				require.Eventually(t, func() bool { return len(r.uploads()) == 0 }, 5*time.Second, time.Millisecond, "nothing is left")
				return
			}
			var body struct{ Status, Message, FilePath string }
			require.NoError(t, json.Unmarshal([]byte(got.body), &body))
			require.Equal(t, "success", body.Status)
			require.Equal(t, "File created successfully", body.Message)
			require.Regexp(t, regexp.MustCompile(`^/uploads/upload_19941106_084937_[0-9a-f]{4}\.json$`), body.FilePath)
			require.Equal(t, body.FilePath, got.Header.Get("Location"))
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			stored, err := os.ReadFile(filepath.Join(r.dir, body.FilePath))
			require.NoError(t, err)
			require.Equal(t, tt.stored, string(stored))
			require.Len(t, r.uploads(), 1, "and nothing beside it")
			require.Equal(t, 415, r.ask("GET "+body.FilePath+" HTTP/1.1").StatusCode, "it is kept, not served")
		})
	}
}

func TestUploadsOfTheSameSecondDoNotCollide(t *testing.T) {
	r := newRig(t, nil)
	for range 300 {
		require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	}
	require.Len(t, r.uploads(), 300)
}

func TestAClientThatWaitsIsToldToGoOn(t *testing.T) {
	r := newRig(t, nil)
	const head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\nContent-Type: "
	r.send(head + "application/json\r\n\r\n")
	require.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", string(r.got))
	require.Equal(t, 201, r.parse("{}", false).StatusCode)
	got := r.parse(head+"text/plain\r\n\r\n", false)
	require.Equal(t, 415, got.StatusCode, "and not where its body is not wanted")
	require.True(t, got.Close)
}

func TestAnUploadThatIsCutLeavesNothing(t *testing.T) {
	for _, named := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a temporary name: %v", named), func(t *testing.T) {
			r := newRig(t, nil)
			if named {
				r.site.store.place.Load().folder.UseNames()
			}
			r.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat(" ", 200_000))
			if named || runtime.GOOS != "linux" {
				require.Len(t, r.uploads(), 1)
				require.True(t, strings.HasPrefix(r.uploads()[0], ".upload-"), "it is hidden while it grows")
			} else {
				require.Empty(t, r.uploads(), "nobody sees it while it grows, and a crash leaves nothing")
			}
			r.s.Close()
			require.Eventually(t, func() bool { return len(r.uploads()) == 0 }, 5*time.Second, time.Millisecond)
			require.Eventually(t, func() bool { return r.site.store.quota.own.bytes.Load() == 0 }, 5*time.Second, time.Millisecond)
		})
	}
}

func TestAnUploadHoldsWhatHasCome(t *testing.T) {
	u := &upload{thread: new(session.Thread)}
	u.Body(nil, []byte("1"))
	require.LessOrEqual(t, cap(u.held), 64, "whatever length was declared")
}

// faulty is an upload's file that fails at one step.
type faulty struct {
	newFile
	write, sync error
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.write != nil {
		n, _ := f.newFile.Write(p[:len(p)/2])
		return n, f.write
	}
	return f.newFile.Write(p)
}

func (f *faulty) Sync() error { return errors.Join(f.sync, f.newFile.Sync()) }

func TestAnUploadThatCannotBeStoredLeavesNothing(t *testing.T) {
	tests := []struct {
		name   string
		fault  faulty
		open   error
		status int
	}{
		{"the disk is full", faulty{write: syscall.ENOSPC}, nil, 507},
		{"the disk is full when the file is made", faulty{}, syscall.ENOSPC, 507},
		{"the disk is full when the file is flushed", faulty{sync: syscall.ENOSPC}, nil, 507},
		{"a share of the disk is full", faulty{write: syscall.EDQUOT}, nil, 507},
		{"the file may not grow", faulty{write: syscall.EFBIG}, nil, 507},
		{"the disk is broken", faulty{sync: syscall.EIO}, nil, 500},
		{"no descriptor is left", faulty{}, syscall.EMFILE, 503},
	}
	bodies := map[string]string{"small": "{}", "large": `"` + strings.Repeat("x", 4*spillAt) + `"`}
	for _, tt := range tests {
		for size, body := range bodies {
			t.Run(tt.name+", "+size, func(t *testing.T) {
				r := newRig(t, nil)
				create := r.site.store.create
				r.site.store.create = func(in *sysnet.Folder, name string) (newFile, error) {
					if tt.open != nil {
						return nil, &os.PathError{Op: "openat", Path: name, Err: tt.open}
					}
					f, err := create(in, name)
					return &faulty{f, tt.fault.write, tt.fault.sync}, err
				}
				require.Equal(t, tt.status, r.ask(post(body)).StatusCode)
				require.Eventually(t, func() bool { return len(r.uploads()) == 0 }, 5*time.Second, time.Millisecond)
				require.Len(t, r.errors, 1, "and it was told")
				require.Equal(t, tt.status, r.ask(post(body)).StatusCode)
				require.Len(t, r.errors, 1, "once")
				r.site.store.create = create
				require.Equal(t, 201, r.ask(post(body)).StatusCode)
			})
		}
	}
}

func TestUploadsDoNotLeaveTheRoot(t *testing.T) {
	r := newRig(t, nil)
	outside := t.TempDir()
	require.NoError(t, os.Remove(filepath.Join(r.dir, uploadFolder)))
	require.NoError(t, os.Symlink(outside, filepath.Join(r.dir, uploadFolder)))
	r.openUploads(Uploads{})
	require.Equal(t, 403, r.ask(post("{}")).StatusCode)
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)
}

// The folder that a root had before is closed by the last upload that goes there, however that
// ends, and not when a collector finds it.
func TestAnOldFolderIsClosedByTheLastUpload(t *testing.T) {
	const head = "POST /upload HTTP/1.1\nContent-Type: application/json\nContent-Length: "
	long := "[" + strings.Repeat("1,", spillAt) + "1]"
	for _, tt := range []struct {
		name, first, then string
		over              bool
	}{
		{"stored", head + "2\n\n[", "]", false},
		{"stored after some of it was written", post(long)[:len(post(long))-1], "]", false},
		{"not JSON", head + "2\n\n[", "[", false},
		{"not JSON, as its beginning shows", post("x" + long), "", true},
		{"cut short", head + "2\n\n[", "", false},
		{"cut short after some of it was written", post(long)[:len(post(long))-1], "", false},
		{"empty", "POST /upload HTTP/1.1\nContent-Type: application/json\nTransfer-Encoding: chunked\n\n", "0\r\n\r\n", false},
		{"of another type", "", strings.Replace(post("[]"), "json", "xml", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			old := r.site.store.place.Load()
			head, body, _ := strings.Cut(cmp.Or(tt.first, tt.then), "\n\n")
			r.send(strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: localhost\r\n\r\n" + body)
			require.NoError(t, r.site.store.reopen(r.site.cfg.Root))
			if tt.first != "" && !tt.over {
				require.True(t, old.users.Enter(), "it is in use")
				old.leave()
			}
			switch {
			case tt.first == "":
			case tt.then != "":
				r.send(tt.then)
			default:
				r.s.Fail()
				r.s.Step()
				r.s.Close()
				r.over = true
			}
			r.site.store.later.wait()
			require.False(t, old.users.Enter())
			r.loc.Memory = 1
			require.False(t, r.loc.Full(), "nor does it count as held any more")
		})
	}
}

// What an upload holds counts as memory of its thread's connections. Where that is scarce little is
// held, and what has come is written soon.
func TestWhatUploadsHoldIsCounted(t *testing.T) {
	const head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n[\""
	r := newRig(t, nil)
	r.send(head)
	r.send(strings.Repeat("x", spillAt-100))
	require.Zero(t, r.works)
	r.loc.Memory = spillAt
	require.True(t, r.loc.Full())
	for range 3 {
		r.send(strings.Repeat("x", spillSoon+1))
	}
	require.Equal(t, 3, r.works)
	r.loc.Memory = 0
	r.send(strings.Repeat("x", spillSoon+1))
	require.Equal(t, 3, r.works)
}
