package site

// Which form of a file is sent, and what its answers say of it. The rig is that of driver_test.go;
// files get the times that a test wants.

import (
	"compress/gzip"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/filecache"
	"fourways/shared/http1"
)

// page is a page that gets smaller by compressing.
var page = strings.Repeat("<p>again", 512) // 4 KiB

// newCodedRig serves, beside the usual files, some that are there in several codings.
func newCodedRig(t testing.TB, change func(*Config)) *rig {
	r := newRig(t, change)
	for name, text := range map[string]string{
		"all.html":     page,
		"all.html.br":  "stands for brotli",
		"all.html.zst": "stands for zstd",
		"all.html.gz":  "stands for gzip",
		"some.txt":     small,
		"some.txt.zst": "0123456789 in zstd",
		"page.html":    page,
		"large.txt.br": strings.Repeat("b", 65<<10),
		"stale.png":    "png",
	} {
		r.put(name, text, fileTime)
	}
	r.put("stale.png.gz", "old", fileTime-2)
	return r
}

// put writes a file that was last changed at a time, in seconds since 1970.
func (r *rig) put(name, text string, changed int64) {
	file := filepath.Join(r.dir, name)
	require.NoError(r.t, os.WriteFile(file, []byte(text), 0o644))
	require.NoError(r.t, os.Chtimes(file, time.Time{}, time.Unix(changed, 0)))
}

func gunzip(t *testing.T, body string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(plain)
}

func TestWhichFormIsSent(t *testing.T) {
	r := newCodedRig(t, nil)
	const every = "Accept-Encoding: gzip, br, zstd"
	tests := []struct {
		name   string
		path   string
		fields string
		coding string // of the answer
	}{
		{"without the field", "/all.html", "Accept: */*", ""},
		{"an empty field", "/all.html", "Accept-Encoding:", ""},
		{"one coding", "/all.html", "Accept-Encoding: gzip", "gzip"},
		{"its older name", "/all.html", "Accept-Encoding: x-gzip", "gzip"},
		{"in any case", "/all.html", "Accept-Encoding: BR", "br"},
		{"of equals, brotli", "/all.html", every, "br"},
		{"of equals without brotli, zstd", "/all.html", "Accept-Encoding: gzip, zstd", "zstd"},
		{"of equals, a coding before none", "/all.html", "Accept-Encoding: identity, gzip", "gzip"},
		{"over two lines", "/all.html", "Accept-Encoding: gzip;q=0.5\nAccept-Encoding: zstd", "zstd"},
		{"the weights decide", "/all.html", "Accept-Encoding: br;q=0.1, zstd;q=0.3, gzip;q=0.2", "zstd"},
		{"a thousandth decides", "/all.html", "Accept-Encoding: br;q=0.998, gzip;q=0.999", "gzip"},
		{"white space around the weight", "/all.html", "Accept-Encoding: br ;\tq=0.1 , gzip", "gzip"},
		{"a weight in capitals", "/all.html", "Accept-Encoding: br;Q=0, gzip", "gzip"},
		{"the least weight beats what is not named", "/all.html", "Accept-Encoding: gzip;q=0.001", "gzip"},
		{"none is liked better", "/all.html", "Accept-Encoding: gzip;q=0.5, identity", ""},
		{"a refused coding", "/all.html", "Accept-Encoding: br;q=0, gzip", "gzip"},
		{"all are refused", "/all.html", "Accept-Encoding: br;q=0, gzip;q=0.0, zstd;q=0.000", ""},
		{"an unknown coding", "/all.html", "Accept-Encoding: fancy", ""},
		{"a name that only begins like a coding", "/all.html", "Accept-Encoding: gzipped, b", ""},
		{"anything", "/all.html", "Accept-Encoding: *", "br"},
		{"anything but one", "/all.html", "Accept-Encoding: *, br;q=0", "zstd"},
		{"nothing but one", "/all.html", "Accept-Encoding: *;q=0, gzip", "gzip"},
		{"anything stands for none as well", "/all.html", "Accept-Encoding: *;q=0.5, br;q=0.1, zstd;q=0.1, gzip;q=0.1", ""},
		{"anything rather than one", "/all.html", "Accept-Encoding: br;q=0.2, *;q=0.3", "zstd"},
		{"nothing at all", "/all.html", "Accept-Encoding: *;q=0", ""},
		{"not without coding", "/all.html", "Accept-Encoding: identity;q=0", ""},
		{"not without coding, and one that there is", "/some.txt", "Accept-Encoding: identity;q=0, zstd;q=0.1", "zstd"},
		{"not without coding, and one that there is not", "/some.txt", "Accept-Encoding: identity;q=0, br", ""},
		{"a weight that is no number", "/all.html", "Accept-Encoding: br;q=x, gzip", "gzip"},
		{"a weight that is empty", "/all.html", "Accept-Encoding: br;q=, gzip", "gzip"},
		{"a weight with too many digits", "/all.html", "Accept-Encoding: br;q=0.1234, gzip;q=0.1", "gzip"},
		{"a negative weight", "/all.html", "Accept-Encoding: br;q=-1, gzip", "gzip"},
		{"empty items", "/all.html", "Accept-Encoding: ,, ;, ,gzip,", "gzip"},
		{"names that run together", "/all.html", "Accept-Encoding: br zstd", ""},

		{"the only neighbour", "/some.txt", every, "zstd"},
		{"a neighbour that is not wanted", "/some.txt", "Accept-Encoding: br, gzip", ""},
		{"a neighbour too large for memory", "/large.txt", every, "br"},
		{"a neighbour older than its file", "/stale.png", every, ""},
		{"a page without neighbours", "/page.html", every, "gzip"},
		{"a page without neighbours, to a client that takes no gzip", "/page.html", "Accept-Encoding: br", ""},
		{"a small page", "/index.html", every, ""},
		{"a picture", "/pic.png", every, ""},
		{"an index", "/sub/", every, ""},
	}
	for _, again := range []string{"", ", from the cache"} {
		for _, tt := range tests {
			t.Run(tt.name+again, func(t *testing.T) {
				got := r.ask("GET " + tt.path + " HTTP/1.1\n" + tt.fields)
				require.Equal(t, 200, got.StatusCode)
				require.Equal(t, tt.coding, got.Header.Get("Content-Encoding"))
				name := tt.path + map[string]string{"gzip": ".gz", "br": ".br", "zstd": ".zst"}[tt.coding]
				switch tt.path {
				case "/sub/":
					name += indexName
				case "/page.html":
					name = tt.path
					if tt.coding != "" {
						got.body = gunzip(t, got.body)
					}
				}
				want, err := os.ReadFile(filepath.Join(r.dir, name))
				require.NoError(t, err)
				require.Equal(t, string(want), got.body)
			})
		}
	}
}

func TestWhatAFormKeepsOfItsFile(t *testing.T) {
	r := newCodedRig(t, nil)
	plain := r.ask("GET /some.txt HTTP/1.1")
	coded := r.ask("GET /some.txt HTTP/1.1\nAccept-Encoding: zstd")
	require.Equal(t, "zstd", coded.Header.Get("Content-Encoding"))
	for _, name := range []string{"Content-Type", "Content-Disposition", "Cache-Control", "Accept-Ranges", "Last-Modified", "Vary"} {
		require.NotEmpty(t, coded.Header.Get(name), name)
		require.Equal(t, plain.Header.Get(name), coded.Header.Get(name), name)
	}
	require.NotEqual(t, plain.Header.Get("ETag"), coded.Header.Get("ETag"))
	require.Equal(t, "18", coded.Header.Get("Content-Length"))
}

func TestANeighbourIsNoFileOfItsOwn(t *testing.T) {
	require.Equal(t, 415, newCodedRig(t, nil).ask("GET /all.html.gz HTTP/1.1").StatusCode)

	r := newCodedRig(t, func(c *Config) { c.Types = append(c.Types, "gz") })
	r.ask("GET /all.html HTTP/1.1\nAccept-Encoding: gzip")
	got := r.ask("GET /all.html.gz HTTP/1.1")
	require.Equal(t, "stands for gzip", got.body, "where its type is served it is a file like any other")
	require.Empty(t, got.Header.Get("Content-Encoding"))
	require.Equal(t, anyType, got.Header.Get("Content-Type"))
}

func TestVary(t *testing.T) {
	tests := []struct {
		name    string
		request string // Vary is wanted with and without Accept-Encoding
		status  int
		vary    string
	}{
		{"a file with neighbours", "GET /all.html HTTP/1.1", 200, "Accept-Encoding"},
		{"a file that can be compressed", "GET /page.html HTTP/1.1", 200, "Accept-Encoding"},
		{"HEAD", "HEAD /page.html HTTP/1.1", 200, "Accept-Encoding"},
		{"an unchanged file", "GET /page.html HTTP/1.1\nIf-None-Match: *", 304, "Accept-Encoding"},
		{"a range", "GET /page.html HTTP/1.1\nRange: bytes=0-9", 206, "Accept-Encoding"},
		{"a range that is not there", "GET /page.html HTTP/1.1\nRange: bytes=9999999-", 416, "Accept|Accept-Encoding"},
		{"a file with an old neighbour", "GET /stale.png HTTP/1.1", 200, ""},
		{"a small file", "GET /small.txt HTTP/1.1", 200, ""},
		{"a small file unchanged", "GET /small.txt HTTP/1.1\nIf-None-Match: *", 304, ""},
		{"a small file's range that is not there", "GET /small.txt HTTP/1.1\nRange: bytes=9999999-", 416, "Accept"},
	}
	for _, accept := range []string{"", "\nAccept-Encoding: gzip", "\nAccept-Encoding: identity;q=0, *;q=0"} {
		for _, tt := range tests {
			t.Run(tt.name+accept, func(t *testing.T) {
				got := newCodedRig(t, nil).ask(tt.request + accept)
				require.Equal(t, tt.status, got.StatusCode)
				require.Equal(t, tt.vary, strings.Join(got.Header.Values("Vary"), "|"))
			})
		}
	}
}

func TestConditionsAreAboutTheFormThatIsSent(t *testing.T) {
	r := newCodedRig(t, nil)
	for _, path := range []string{"/all.html", "/page.html", "/large.txt"} {
		plain := r.ask("GET " + path + " HTTP/1.1")
		accept := "\nAccept-Encoding: br"
		if path == "/page.html" {
			accept = "\nAccept-Encoding: gzip"
		}
		coded := r.ask("GET " + path + " HTTP/1.1" + accept)
		own, other := coded.Header.Get("ETag"), plain.Header.Get("ETag")
		require.NotEqual(t, own, other)
		size := coded.Header.Get("Content-Length")
		const date = "Sat, 05 Nov 1994 08:49:37 GMT"
		tests := []struct {
			name   string
			fields string
			status int
			spans  string
		}{
			{"If-None-Match with its tag", "If-None-Match: " + own, 304, ""},
			{"If-None-Match with the other form's", "If-None-Match: " + other, 200, ""},
			{"If-Match with its tag", "If-Match: " + own, 200, ""},
			{"If-Match with the other form's", "If-Match: " + other, 412, ""},
			{"If-Modified-Since", "If-Modified-Since: " + date, 304, ""},
			{"a range that its tag is wanted of", "Range: bytes=2-4\nIf-Match: " + own, 206, "bytes 2-4/" + size},
			{"a range with its tag", "Range: bytes=2-4\nIf-Range: " + own, 206, "bytes 2-4/" + size},
			{"a range with a date, which the forms share", "Range: bytes=2-4\nIf-Range: " + date, 200, ""},
			{"a range that is not there", "Range: bytes=" + size + "-\nIf-Range: " + own, 416, "bytes */" + size},
			{"several ranges, which no field could call coded", "Range: bytes=0-0,2-2\nIf-Range: " + own, 200, ""},
		}
		for _, tt := range tests {
			t.Run(path+", "+tt.name, func(t *testing.T) {
				got := r.ask("GET " + path + " HTTP/1.1\n" + tt.fields + accept)
				require.Equal(t, tt.status, got.StatusCode)
				require.Equal(t, tt.spans, got.Header.Get("Content-Range"))
				switch tt.status {
				case 200:
					require.Equal(t, coded.body, got.body)
				case 206:
					require.Equal(t, coded.body[2:5], got.body)
					require.Equal(t, own, got.Header.Get("ETag"))
					require.Equal(t, coded.Header.Get("Content-Encoding"), got.Header.Get("Content-Encoding"))
				case 304:
					require.Equal(t, own, got.Header.Get("ETag"))
					require.Empty(t, got.Header.Get("Content-Encoding"))
				}
			})
		}
		t.Run(path+", a range of which nobody says in which form", func(t *testing.T) {
			got := r.ask("GET " + path + " HTTP/1.1\nRange: bytes=2-4" + accept)
			require.Equal(t, 206, got.StatusCode)
			require.Equal(t, plain.body[2:5], got.body)
			require.Equal(t, other, got.Header.Get("ETag"))
			require.Empty(t, got.Header.Get("Content-Encoding"))
			for _, condition := range []string{"If-Range: ", "If-Match: "} { // who goes on says the tag that it got
				next := r.ask("GET " + path + " HTTP/1.1\nRange: bytes=5-7\n" + condition + other + accept)
				require.Equal(t, 206, next.StatusCode, condition)
				require.Equal(t, plain.body[5:8], next.body)
			}
			require.Equal(t, size, r.ask("HEAD "+path+" HTTP/1.1\nRange: bytes=2-4"+accept).Header.Get("Content-Length"))
		})
	}
	got := r.ask("GET /all.html HTTP/1.1\nRange: bytes=0-0,2-2")
	require.Equal(t, 206, got.StatusCode, "without a coding several ranges are parts")
}

func TestHeadOfAFormIsTheHeadOfItsGet(t *testing.T) {
	for _, path := range []string{"/all.html", "/page.html", "/large.txt"} {
		for _, first := range []string{"GET", "HEAD"} {
			t.Run(path+", first "+first, func(t *testing.T) {
				r := newCodedRig(t, nil)
				r.ask(first + " " + path + " HTTP/1.1\nAccept-Encoding: br, gzip")
				get := r.ask("GET " + path + " HTTP/1.1\nAccept-Encoding: br, gzip")
				head := r.ask("HEAD " + path + " HTTP/1.1\nAccept-Encoding: br, gzip")
				require.NotEmpty(t, get.Header.Get("Content-Encoding"))
				want, _, _ := strings.Cut(get.raw, "\r\n\r\n")
				require.Equal(t, want+"\r\n\r\n", head.raw)
			})
		}
	}
}

func TestChunkedForms(t *testing.T) {
	r := newCodedRig(t, func(c *Config) { c.Chunked = true })
	got := r.ask("GET /page.html HTTP/1.1\nAccept-Encoding: gzip")
	require.Equal(t, []string{"chunked"}, got.TransferEncoding)
	require.Equal(t, page, gunzip(t, got.body))
	got = r.ask("GET /large.txt HTTP/1.1\nAccept-Encoding: br")
	require.Equal(t, strings.Repeat("b", 65<<10), got.body)
	got = r.ask("GET /page.html HTTP/1.0\nAccept-Encoding: gzip")
	require.Equal(t, page, gunzip(t, got.body))
}

func TestAFormIsReadyAfterItsFirstRequest(t *testing.T) {
	r := newCodedRig(t, nil)
	tests := []struct {
		name   string
		path   string
		coding string // that is accepted
		works  int    // pieces of work so far
	}{
		{"a neighbour and its file are one piece of work", "/all.html", "gzip", 1},
		{"then the neighbour is there", "/all.html", "gzip", 1},
		{"and the file", "/all.html", "identity", 1},
		{"but not its other neighbour", "/all.html", "br", 2},
		{"a page is read", "/page.html", "identity", 3},
		{"what cannot be had costs nothing", "/page.html", "br", 3},
		{"and compressed", "/page.html", "gzip", 4},
		{"once", "/page.html", "gzip", 4},
	}
	for _, tt := range tests {
		r.ask("GET " + tt.path + " HTTP/1.1\nAccept-Encoding: " + tt.coding)
		require.Equal(t, tt.works, r.works, tt.name)
	}
}

func TestAFileThatDoesNotGetSmallerIsTriedOnce(t *testing.T) {
	r := newCodedRig(t, nil)
	noise := make([]byte, 2048)
	rand.Read(noise)
	r.put("noise.txt", string(noise), fileTime)
	for range 2 {
		got := r.ask("GET /noise.txt HTTP/1.1\nAccept-Encoding: gzip")
		require.Empty(t, got.Header.Get("Content-Encoding"))
		require.Equal(t, string(noise), got.body)
		require.Equal(t, 1, r.works)
	}
}

func TestANeighbourThatAppearsIsNoticedWithinASecond(t *testing.T) {
	r := newCodedRig(t, nil)
	const request = "GET /pic.png HTTP/1.1\nAccept-Encoding: br"
	require.Empty(t, r.ask(request).Header.Get("Content-Encoding"))
	r.put("pic.png.br", "stands for brotli", fileTime)
	require.Empty(t, r.ask(request).Header.Get("Content-Encoding"))
	r.loc.Clock.Set(1e9, (wallClock+1)*1e9)
	require.Equal(t, "br", r.ask(request).Header.Get("Content-Encoding"))
	require.NoError(t, os.Remove(filepath.Join(r.dir, "pic.png.br")))
	r.loc.Clock.Set(2e9, (wallClock+2)*1e9)
	require.Empty(t, r.ask(request).Header.Get("Content-Encoding"))
}

func TestHotFormsDoNotAllocate(t *testing.T) {
	r := newCodedRig(t, nil)
	requests := map[string]string{
		"a neighbour":             "GET /all.html HTTP/1.1\r\nAccept-Encoding: gzip, deflate, br, zstd",
		"a large neighbour":       "GET /large.txt HTTP/1.1\r\nAccept-Encoding: br",
		"a compressed page":       "GET /page.html HTTP/1.1\r\nAccept-Encoding: gzip;q=1.0, *;q=0.5",
		"a page that has no such": "GET /page.html HTTP/1.1\r\nAccept-Encoding: br",
		"without the field":       "GET /page.html HTTP/1.1",
		"304":                     "GET /page.html HTTP/1.1\r\nAccept-Encoding: gzip\r\nIf-None-Match: *",
		"206":                     "GET /page.html HTTP/1.1\r\nAccept-Encoding: gzip\r\nRange: bytes=2-9",
	}
	for name, head := range requests {
		request := head + "\r\nHost: localhost\r\n\r\n"
		ask := func() {
			r.got = r.got[:0]
			r.send(request)
		}
		ask()
		require.NotEmpty(t, r.got)
		require.Zero(t, testing.AllocsPerRun(50, ask), name)
	}
}

func FuzzAcceptance(f *testing.F) {
	for _, value := range []string{"gzip", "gzip;q=0.5, br", "*;q=0", "identity;q=0,*", "x-gzip;q=1.000", ";q=1,,", "gzip;q=2", "br;;q=0.1"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := http1.Request{Message: http1.Message{Fields: []http1.Field{{Value: []byte(value), ID: http1.AcceptEncoding}}}}
		a := acceptanceOf(&r)
		for c, weight := range a {
			require.True(t, weight >= 0 && weight <= 1000)
			named := strings.Contains(strings.ToLower(value), filecache.Coding(c).String())
			require.True(t, weight == 0 || named || strings.Contains(value, "*"), "only what is named is wanted")
		}
	})
}
