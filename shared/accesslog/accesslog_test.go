package accesslog

// The lines of the access log, and that none is torn or lost unnoticed. Each test has a file of its
// own. A disk that hangs or is full is played by a pipe or by /dev/full.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// sample is an ordinary request.
func sample() *Entry {
	return &Entry{
		Client: netip.MustParseAddr("192.0.2.1"), Time: time.Date(2024, 3, 15, 10, 30, 0, 123e6, time.UTC).UnixNano(), Duration: 1_234_567,
		Status: 200, Bytes: 5, Method: []byte("GET"), Target: []byte("/index.html"), Proto: []byte("HTTP/1.1"),
		Referer: []byte("http://example.org/"), UserAgent: []byte("curl/8"), ID: []byte("a7b9"),
	}
}

func temporary(t *testing.T, json bool) (*Logger, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := Open(path, json)
	require.NoError(t, err)
	return l, path
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestCombined(t *testing.T) {
	when := time.Unix(0, sample().Time).Format(combinedTime)
	cases := []struct {
		name   string
		change func(*Entry)
		want   string // DATE stands for the time
	}{
		{"an ordinary request", func(*Entry) {},
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"what is missing is a dash", func(e *Entry) { e.Referer, e.UserAgent, e.ID = nil, nil, nil },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "-" "-" "-" 0.001234`},
		{"a request that could not be read", func(e *Entry) { e.Method, e.Target, e.Proto, e.Status = nil, nil, nil, 400 },
			`192.0.2.1 - - [DATE] "-" 400 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"a request that had no answer", func(e *Entry) { e.Status, e.Bytes = 0, 0 },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 000 0 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"an IPv4 client of an IPv6 socket", func(e *Entry) { e.Client = netip.MustParseAddr("::ffff:192.0.2.1") },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"a client of a Unix socket", func(e *Entry) { e.Client = netip.Addr{} },
			`- - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"a line break cannot forge a line", func(e *Entry) { e.UserAgent = []byte("x\r\n10.0.0.1 - - forged") },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "x\x0D\x0A10.0.0.1 - - forged" "a7b9" 0.001234`},
		{"a quote cannot forge a field", func(e *Entry) { e.Target = []byte(`/" 200 "\`) },
			`192.0.2.1 - - [DATE] "GET /\x22 200 \x22\x5C HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"bytes beyond ASCII are escaped", func(e *Entry) { e.Target = []byte("/\x1b[2J\x7f\xff\u00e9") },
			`192.0.2.1 - - [DATE] "GET /\x1B[2J\x7F\xFF\xC3\xA9 HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234`},
		{"a slow and big answer", func(e *Entry) { e.Duration, e.Bytes = 61_000_001_000, 1<<40 },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 1099511627776 "http://example.org/" "curl/8" "a7b9" 61.000001`},
		{"a request by TLS", func(e *Entry) { e.TLS, e.Cipher, e.ServerName = "TLSv1.3", "TLS_AES_128_GCM_SHA256", "example.org" },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234 TLSv1.3 TLS_AES_128_GCM_SHA256`},
		{"a request that was passed on", func(e *Entry) {
			e.Upstream, e.Connect, e.Head, e.Whole = "http://127.0.0.1:9000", 0, 1_000_000, 2_000_000
		}, `192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234 "http://127.0.0.1:9000" 0.000000 0.001000 0.002000`},
		{"one that did not get far, by TLS", func(e *Entry) {
			e.TLS, e.Cipher, e.Upstream, e.Connect, e.Head, e.Whole = "TLSv1.3", "TLS_X", `unix:/run/"x`, -1, -1, -1
		}, `192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.001234 TLSv1.3 TLS_X "unix:/run/\x22x" - - -`},
		{"a clock that went back", func(e *Entry) { e.Duration = -5 },
			`192.0.2.1 - - [DATE] "GET /index.html HTTP/1.1" 200 5 "http://example.org/" "curl/8" "a7b9" 0.000000`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			e := sample()
			tc.change(e)
			assert.Equal(t, strings.Replace(tc.want, "DATE", when, 1)+"\n", string(appendCombined(nil, e)))
		})
	}
}

func TestJSON(t *testing.T) {
	e := sample()
	e.Target = []byte("/\"\\\r\n\x00\x1b\xff\u2028\u0085\u202e\U000e0041é🟢")
	line := string(appendJSON(nil, e))
	assert.Equal(t, 1, strings.Count(line, "\n"))
	for _, r := range strings.TrimSuffix(line, "\n") {
		assert.True(t, unicode.IsPrint(r), "%q", r)
	}
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	assert.Equal(t, map[string]any{
		"time": "2024-03-15T10:30:00.123Z", "client": "192.0.2.1", "method": "GET", "target": "/\"\\\r\n\x00\x1b\ufffd\u2028\u0085\u202e\U000e0041é🟢",
		"proto": "HTTP/1.1", "status": 200.0, "bytes": 5.0, "referer": "http://example.org/", "user_agent": "curl/8", "id": "a7b9", "duration": 0.001234,
	}, got)

	e.TLS, e.Cipher, e.Resumed, e.ServerName = "TLSv1.2", "TLS_X", true, "a\n\""
	clear(got)
	require.NoError(t, json.Unmarshal(appendJSON(nil, e), &got))
	assert.Equal(t, []any{"TLSv1.2", "TLS_X", true, "a\n\""}, []any{got["tls"], got["cipher"], got["resumed"], got["sni"]})

	e.Upstream, e.Connect, e.Head, e.Whole = "unix:/run/\"x", 0, 1_000_000, -1
	clear(got)
	require.NoError(t, json.Unmarshal(appendJSON(nil, e), &got))
	assert.Equal(t, []any{"unix:/run/\"x", 0.0, 0.001, nil}, []any{got["upstream"], got["upstream_connect"], got["upstream_head"], got["upstream_whole"]})
}

func TestALineHasABound(t *testing.T) {
	for name, fill := range map[string]string{"control bytes": "\x00", "no UTF-8": "\xff", "cut characters": "🟢"} {
		for form, format := range map[string]func([]byte, *Entry) []byte{"combined": appendCombined, "JSON": appendJSON} {
			t.Run(name+" in "+form, func(t *testing.T) {
				e := sample()
				huge := []byte(strings.Repeat(fill, 1<<18))
				e.Method, e.Target, e.Proto, e.Referer, e.UserAgent, e.ID = huge, huge, huge, huge, huge, huge
				e.TLS, e.Cipher, e.ServerName = "TLSv1.3", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", string(huge)
				e.Upstream, e.Connect, e.Head, e.Whole = string(huge), 1e15, 1e15, 1e15
				e.Client = netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%" + strings.Repeat("z", 1000))
				e.Bytes, e.Duration, e.Status = 1<<62, 1<<62, 1<<30
				line := format(nil, e)
				assert.LessOrEqual(t, len(line), maxLine)
				assert.True(t, form != "JSON" || json.Valid(line))
			})
		}
	}
}

func TestALineOfAnErrorIsShort(t *testing.T) {
	for form, format := range map[string]func([]byte, *Entry) []byte{"combined": appendCombined, "JSON": appendJSON} {
		for name, fill := range map[string]string{"letters": "a", "control bytes": "\x00", "no UTF-8": "\xff"} {
			t.Run(name+" in "+form, func(t *testing.T) {
				e := sample()
				e.Target = []byte(strings.Repeat(fill, 8<<10))
				e.Referer, e.UserAgent = e.Target, e.Target
				whole := len(format(nil, e))
				e.Status = 400
				short := format(nil, e)
				assert.Less(t, len(short), 900)
				assert.Less(t, len(short), whole/3)
				assert.Contains(t, string(short), cutMark+`"`)
			})
		}
	}
}

func TestManyWritersAndRotationsTearNoLine(t *testing.T) {
	const writers, each, rotations = 4, 2000, 20
	l, path := temporary(t, true)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			e := sample()
			for i := range each {
				e.ID = fmt.Appendf(e.ID[:0], "%d-%d", w, i)
				l.Log(e)
			}
		})
	}
	for i := range rotations {
		require.NoError(t, os.Rename(path, fmt.Sprintf("%s.%d", path, i)))
		require.NoError(t, l.Reopen())
	}
	wg.Wait()
	require.NoError(t, l.Close())

	seen := map[string]bool{}
	names, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	for _, name := range names {
		for line := range strings.Lines(content(t, name)) {
			var got struct{ ID string }
			require.NoError(t, json.Unmarshal([]byte(line), &got), "%q", line)
			require.False(t, seen[got.ID], "a line twice")
			seen[got.ID] = true
		}
	}
	assert.Equal(t, writers*each, len(seen)+int(l.Dropped()))
}

func TestLinesArriveByThemselves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := open(path, false, time.Millisecond)
	require.NoError(t, err)
	for n := 1; n <= 3; n++ {
		l.Log(sample())
		require.Eventually(t, func() bool { return strings.Count(content(t, path), "\n") == n }, patience, time.Millisecond)
	}
	require.NoError(t, l.Close())
}

func TestAFullBufferIsWrittenBeforeItsTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	l, err := open(path, false, time.Hour)
	require.NoError(t, err)
	defer l.Close()
	line := len(appendCombined(nil, sample()))
	for range flushSize/line + 1 {
		l.Log(sample())
	}
	require.Eventually(t, func() bool { return len(content(t, path)) >= flushSize }, patience, time.Millisecond)
}

func TestCloseWritesWhatIsThere(t *testing.T) {
	l, path := temporary(t, false)
	l.Log(sample())
	require.NoError(t, l.Close())
	assert.Equal(t, string(appendCombined(nil, sample())), content(t, path))
	l.Log(sample())
	assert.Equal(t, uint64(1), l.Dropped(), "a line after Close is counted")
}

func TestADiskThatStandsStillCostsLinesAndNoTime(t *testing.T) {
	l, path := temporary(t, false)
	l.writing.Lock() // as a write(2) that does not return
	line := len(appendCombined(nil, sample()))
	total := 2 * bufferSize / line
	for range total {
		l.Log(sample())
	}
	assert.Positive(t, l.Dropped())
	assert.LessOrEqual(t, cap(l.filled), bufferSize)
	l.writing.Unlock()
	require.NoError(t, l.Close())
	text := content(t, path)
	assert.Equal(t, total, strings.Count(text, "\n")+int(l.Dropped()))
	assert.Equal(t, strings.Count(text, "\n")*line, len(text), "every line is whole")
}

func TestAFullDiskIsReportedAndCounted(t *testing.T) {
	l, err := Open("/dev/full", false)
	if os.IsNotExist(err) {
		t.Skip("no /dev/full here")
	}
	require.NoError(t, err)
	l.Log(sample())
	assert.NoError(t, l.Trouble())
	assert.Error(t, l.Flush())
	assert.Equal(t, uint64(1), l.Dropped())
	assert.ErrorIs(t, l.Trouble(), syscall.ENOSPC)
	require.NoError(t, l.Move(filepath.Join(t.TempDir(), "access.log"), false))
	l.Log(sample())
	assert.NoError(t, l.Flush())
	assert.NoError(t, l.Trouble(), "another file takes them")
	assert.NoError(t, l.Close())
}

func TestAFullDiskIsNoReasonToKeepTheOldFile(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	path := filepath.Join(t.TempDir(), "access.log")
	require.NoError(t, os.Symlink("/dev/full", path))
	l, err := open(path, false, time.Hour)
	require.NoError(t, err)
	l.Log(sample())
	require.NoError(t, os.Remove(path))
	assert.Error(t, l.Reopen())
	assert.Equal(t, uint64(1), l.Dropped())
	l.Log(sample())
	require.NoError(t, l.Close())
	assert.Equal(t, string(appendCombined(nil, sample())), content(t, path))
}

// Who still goes by settings from before may call Log when no access log is wanted any more: that
// line must not turn up on standard error.
func TestASilentLogTakesNoLineUntilItIsMoved(t *testing.T) {
	l, path := temporary(t, false)
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer stderr.Close()
	real := os.Stderr
	os.Stderr = stderr
	defer func() { os.Stderr = real }()
	l.Log(sample())
	require.NoError(t, l.Silence())
	l.Log(sample())
	next := path + ".next"
	require.NoError(t, l.Move(next, true))
	l.Log(sample())
	require.NoError(t, l.Close())
	require.Equal(t, 1, strings.Count(content(t, path), "\n"))
	require.Empty(t, content(t, stderr.Name()))
	require.Equal(t, 1, strings.Count(content(t, next), "\n"))
	require.True(t, strings.HasPrefix(content(t, next), "{"))
	require.Zero(t, l.Dropped())
}

func TestLogAllocatesNothing(t *testing.T) {
	for _, json := range []bool{false, true} {
		l, _ := temporary(t, json)
		e := sample()
		e.Referer = bytes.Repeat([]byte("\xff\""), 50)
		e.TLS, e.Cipher, e.ServerName = "TLSv1.3", "TLS_AES_128_GCM_SHA256", strings.Repeat("a", 253)
		assert.Zero(t, testing.AllocsPerRun(1000, func() { l.Log(e) }))
		require.NoError(t, l.Close())
	}
}
