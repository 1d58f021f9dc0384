package logging

// Lines of the program's log as text and as JSON, and the file that they go to. Each test has a
// file or a buffer of its own.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var moment = time.Date(2024, 3, 15, 10, 30, 0, 0, time.Local)

// record formats one record with a fixed time.
func record(t *testing.T, h slog.Handler, level slog.Level, message string, attrs ...slog.Attr) {
	t.Helper()
	r := slog.NewRecord(moment, level, message, 0)
	r.AddAttrs(attrs...)
	require.NoError(t, h.Handle(context.Background(), r))
}

func TestLines(t *testing.T) {
	cases := []struct {
		name string
		log  func(*slog.Logger) slog.Handler
		msg  string
		with []slog.Attr
		want string
	}{
		{"a message alone", plain, "Press Ctrl+C to stop", nil, `Press Ctrl+C to stop`},
		{"a worker stands in brackets", worker, "ready", nil, `[worker-1] ready`},
		{"a record's worker replaces the logger's", worker, "ready", []slog.Attr{slog.String("worker", "worker-2")}, `[worker-2] ready`},
		{"values follow the message", plain, "m", []slog.Attr{slog.Int("n", 3), slog.Duration("d", time.Second)}, `m n=3 d=1s`},
		{"values of the logger come first", func(l *slog.Logger) slog.Handler { return l.With("a", 1).With("b", 2).Handler() }, "m", []slog.Attr{slog.Int("c", 3)}, `m a=1 b=2 c=3`},
		{"a group prefixes its keys", func(l *slog.Logger) slog.Handler { return l.WithGroup("g").With("a", 1).Handler() }, "m",
			[]slog.Attr{slog.Group("h", slog.Int("b", 2)), slog.String("worker", "x")}, `m g.a=1 g.h.b=2 g.worker=x`},
		{"a value with blanks is quoted", plain, "m", []slog.Attr{slog.String("line", `GET / "x"=\`)}, `m line="GET / \"x\"=\\"`},
		{"an empty value is quoted", plain, "m", []slog.Attr{slog.String("v", "")}, `m v=""`},
		{"emoji and letters of the world stay", plain, "🟢 Größe 日本", []slog.Attr{slog.String("v", "é")}, `🟢 Größe 日本 v=é`},
		{"a message cannot begin a new line", plain, "a\r\n[2024-01-01 00:00:00] forged", nil, `a\r\n[2024-01-01 00:00:00] forged`},
		{"a value cannot begin a new line", plain, "m", []slog.Attr{slog.String("v", "a\nb")}, `m v="a\nb"`},
		{"a key cannot begin a new line", plain, "m", []slog.Attr{slog.String("k\n =", "v")}, `m k\n\ \==v`},
		{"a worker cannot leave its brackets", plain, "m", []slog.Attr{slog.String("worker", "w] forged\n")}, `[w\] forged\n] m`},
		{"a terminal's escapes are escaped", plain, "\x1b[2J\x7f\x00\u009b", nil, `\x1b[2J\x7f\x00\u009b`},
		{"marks of direction and Unicode's line breaks are escaped", plain, "\u202e\u2028\ufeff", nil, `\u202e\u2028\ufeff`},
		{"bytes that are no UTF-8 are escaped", plain, "a\xff\xc0b", []slog.Attr{slog.String("v", "\xfe")}, `a\xff\xc0b v="\xfe"`},
		{"a backslash has one reading", plain, `a\n`, nil, `a\\n`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			record(t, tc.log(New(&out, slog.LevelInfo, false)), slog.LevelInfo, tc.msg, tc.with...)
			assert.Equal(t, "[2024-03-15 10:30:00] "+tc.want+"\n", out.String())
		})
	}
}

func plain(l *slog.Logger) slog.Handler { return l.Handler() }

func worker(l *slog.Logger) slog.Handler { return l.With(WorkerKey, "worker-1").Handler() }

func TestLoggersOfOneParentDoNotShareValues(t *testing.T) {
	var out bytes.Buffer
	parent := New(&out, slog.LevelInfo, false).With("a", 1)
	left, right := parent.With("b", 2), parent.With("c", 3)
	record(t, left.Handler(), slog.LevelInfo, "m")
	record(t, right.Handler(), slog.LevelInfo, "m")
	assert.Equal(t, "[2024-03-15 10:30:00] m a=1 b=2\n[2024-03-15 10:30:00] m a=1 c=3\n", out.String())
}

func TestLevels(t *testing.T) {
	cases := []struct {
		level slog.Level
		lines int
	}{
		{slog.LevelDebug, 4}, {slog.LevelInfo, 3}, {slog.LevelWarn, 2}, {slog.LevelError, 1},
	}
	for _, tc := range cases {
		for _, json := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v writes %d of four lines, JSON %v", tc.level, tc.lines, json), func(t *testing.T) {
				var out bytes.Buffer
				l := New(&out, tc.level, json)
				l.Debug("m")
				l.Info("m")
				l.Warn("m")
				l.Error("m")
				assert.Equal(t, tc.lines, strings.Count(out.String(), "\n"))
			})
		}
	}
}

func TestAWarningSaysThatItIsOne(t *testing.T) {
	var out bytes.Buffer
	record(t, New(&out, slog.LevelInfo, false).Handler(), slog.LevelWarn, "refused", slog.String("client", "192.0.2.1"))
	assert.Equal(t, "[2024-03-15 10:30:00] refused level=WARN client=192.0.2.1\n", out.String())
}

func TestJSONIsOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	New(&out, slog.LevelInfo, true).With(WorkerKey, "worker-1").Info("a\nb\xff", "k", "\x00")
	require.Equal(t, 1, strings.Count(out.String(), "\n"))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Equal(t, "a\nb\ufffd", got["msg"])
	assert.Equal(t, "worker-1", got["worker"])
	assert.Equal(t, "\x00", got["k"])
}

func TestJSONIsPrintable(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"text of any script", "a é 日 🟢", "a é 日 🟢"},
		{"an escape sequence", "\x1b[2J", `\u001b[2J`},
		{"its introducer of one character", "\u009b2J", `\u009B2J`},
		{"a delete", "\x7f", `\u007F`},
		{"marks that turn the direction of writing", "\u202e321\u202c", `\u202E321\u202C`},
		{"a mark that is not seen, beyond 16 bits", "\U000e0041", `\uDB40\uDC41`},
		{"what is no UTF-8", "\xff", `\ufffd`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			New(&out, slog.LevelInfo, true).Info("m", "k", tc.text)
			assert.Contains(t, out.String(), `"k":"`+tc.want+`"}`+"\n")
			var got map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &got))
			assert.Equal(t, strings.ToValidUTF8(tc.text, "\ufffd"), got["k"])
		})
	}
}

func TestADisabledLevelAllocatesNothing(t *testing.T) {
	for _, json := range []bool{false, true} {
		l := New(io.Discard, slog.LevelInfo, json)
		ctx := context.Background()
		allocs := testing.AllocsPerRun(100, func() {
			l.LogAttrs(ctx, slog.LevelDebug, "connection dequeued", slog.String("client", "x"), slog.Int("queue", 3))
		})
		assert.Zero(t, allocs)
	}
}

func TestALineIsOneWrite(t *testing.T) {
	var writes [][]byte
	New(writerFunc(func(p []byte) { writes = append(writes, bytes.Clone(p)) }), slog.LevelInfo, false).Info("m", "k", strings.Repeat("x", 3*keepSize))
	require.Len(t, writes, 1)
	assert.True(t, bytes.HasSuffix(writes[0], []byte("x\n")))
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestReopenLosesAndTearsNoLine(t *testing.T) {
	const writers, each, rotations = 4, 500, 20
	dir := t.TempDir()
	path := filepath.Join(dir, "server.log")
	f, err := Open(path)
	require.NoError(t, err)
	l := New(f, slog.LevelInfo, false)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Info("line", "w", w, "i", i)
			}
		})
	}
	for i := range rotations {
		require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i)))
		require.NoError(t, f.Reopen())
	}
	wg.Wait()
	require.NoError(t, f.Close())

	whole := regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] (line w=\d i=\d+)$`)
	seen := map[string]bool{}
	names, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			parts := whole.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
			require.NotNil(t, parts, "%q", line)
			seen[parts[1]] = true
		}
	}
	assert.Len(t, seen, writers*each)
}

func TestAFailedReopenKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.Mkdir(dir, 0o755))
	f, err := Open(filepath.Join(dir, "server.log"))
	require.NoError(t, err)
	moved := dir + ".moved"
	require.NoError(t, os.Rename(dir, moved))
	require.Error(t, f.Reopen())
	_, err = f.Write([]byte("still here\n"))
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(moved, "server.log"))
	require.NoError(t, err)
	assert.Equal(t, "still here\n", string(data))
	require.NoError(t, f.Close())
}

func TestTwoProcessesShareOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	require.NoError(t, os.WriteFile(path, []byte("from before\n"), 0o600))
	one, err := Open(path)
	require.NoError(t, err)
	two, err := Open(path)
	require.NoError(t, err)
	for _, w := range []io.Writer{one, two, one} {
		_, err := w.Write([]byte("line\n"))
		require.NoError(t, err)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "from before\nline\nline\nline\n", string(data))
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
}

func TestAFullDiskSpoilsOneLineOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server.log")
	f, err := Open(path)
	require.NoError(t, err)
	allowed := limitFileSize(t)
	_, err = f.Write([]byte("the first\n"))
	require.NoError(t, err)
	n, err := f.Write([]byte("the second\n"))
	assert.Error(t, err)
	assert.Equal(t, 5, n)
	_, err = f.Write([]byte("the third\n"))
	assert.Error(t, err)
	allowed()
	for range 2 {
		_, err = f.Write([]byte("the last\n"))
		require.NoError(t, err)
	}
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "the first\nthe s\nthe last\nthe last\n", string(data))
	require.NoError(t, f.Close())
}

const diskSize = 15 // bytes

// limitFileSize stands in for a disk of diskSize, until the function that it returns is called.
func limitFileSize(t *testing.T) (restore func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) // so that write(2) fails with EFBIG instead, setrlimit(2)
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	small := before
	small.Cur = diskSize
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
	restore = sync.OnceFunc(func() {
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before))
		signal.Reset(syscall.SIGXFSZ)
	})
	t.Cleanup(restore)
	return restore
}

func TestStandardErrorIsNeitherReopenedNorClosed(t *testing.T) {
	f, err := Open("")
	require.NoError(t, err)
	require.NoError(t, f.Reopen())
	require.NoError(t, f.Close())
	assert.Same(t, os.Stderr, f.file.File)
}

// pipeChild makes this test binary play the process whose reader goes away.
const pipeChild = "LOGGING_PIPE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(pipeChild) {
	case "survives":
		SurviveClosedPipe()
		fallthrough
	case "dies":
		bufio.NewReader(os.Stdin).ReadString('\n') // until the parent has closed its end
		l := New(os.Stderr, slog.LevelInfo, false)
		l.Info("into the void")
		l.Info("and again")
		os.Stdout.WriteString("alive")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAClosedStandardError(t *testing.T) {
	for mode, want := range map[string]string{"survives": "alive", "dies": ""} {
		t.Run("the process "+mode, func(t *testing.T) {
			var stdout bytes.Buffer
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), pipeChild+"="+mode)
			cmd.Stdout = &stdout
			stdin, err := cmd.StdinPipe()
			require.NoError(t, err)
			r, w, err := os.Pipe()
			require.NoError(t, err)
			cmd.Stderr = w
			require.NoError(t, cmd.Start())
			require.NoError(t, w.Close())
			require.NoError(t, r.Close())
			_, err = stdin.Write([]byte("\n"))
			require.NoError(t, err)
			cmd.Wait() // the status is judged by what was said before
			assert.Equal(t, want, stdout.String())
		})
	}
}

// What cannot be opened is called what it is.
func TestALogThatCannotBeOpenedIsCalledWhatItIs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	defer l.Close()
	for name, says := range map[string]string{"fifo": "a FIFO that nobody reads", "socket": "a Unix socket, and no file"} {
		_, err := Open(filepath.Join(dir, name))
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, says)
	}
	_, err = Open(dir)
	require.ErrorIs(t, err, syscall.EISDIR)
}

// A write that waits for a pipe's reader is broken off, and what the pipe did not get whole
// is in the new file.
func TestReopenAndCloseBreakOffAWriteThatStandsStill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := Open(path)
	require.ErrorIs(t, err, syscall.ENXIO, "nobody reads it")
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	f, err := Open(path)
	require.NoError(t, err)

	const lines, lineLen = 20_000, 100
	text := strings.Repeat(strings.Repeat("x", lineLen-1)+"\n", lines)
	type result struct {
		n   int
		err error
	}
	write := func() chan result {
		done := make(chan result)
		go func() {
			n, err := f.Write([]byte(text))
			done <- result{n, err}
		}()
		one := make([]byte, 1)
		require.Eventually(t, func() bool { n, _ := reader.Read(one); return n == 1 }, 10*time.Second, time.Millisecond, "it has begun")
		return done
	}
	done := write()
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, f.Reopen())
	r := <-done
	require.NoError(t, r.err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Zero(t, len(data)%lineLen, "whole lines")
	require.Greater(t, len(data), len(text)/2)

	require.NoError(t, os.Rename(path+".old", path))
	require.NoError(t, f.Reopen())
	done = write()
	require.NoError(t, f.Close())
	require.ErrorIs(t, (<-done).err, os.ErrClosed)
}

// Half a line stays one line of its own although the same file was opened again meanwhile.
func TestHalfALineIsNotGluedToTheNextWhenTheSameFileIsReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	reader, err := os.OpenFile(path, os.O_RDWR, 0) // a FIFO that has a writer has no end
	require.NoError(t, err)
	defer reader.Close()
	f, err := Open(path)
	require.NoError(t, err)
	line := strings.Repeat("x", 1<<20) + "\n" // more than a pipe takes
	done := make(chan error)
	go func() {
		_, err := f.Write([]byte(line))
		done <- err
	}()
	in := bufio.NewReader(reader)
	_, err = in.Peek(1) // it has begun
	require.NoError(t, err)
	require.NoError(t, f.Reopen())
	half, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Less(t, len(half), len(line))
	whole, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Len(t, whole, len(line))
	require.NoError(t, <-done)
	require.NoError(t, f.Close())
}
