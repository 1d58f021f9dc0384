package site

// Conditional requests: tags, dates, and which field counts. Each row is one request for the same
// file.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConditions(t *testing.T) {
	r := newRig(t, nil)
	tag := r.ask("GET /small.txt HTTP/1.1").Header.Get("ETag")
	require.NotEmpty(t, tag)
	const (
		same   = "Sat, 05 Nov 1994 08:49:37 GMT"
		before = "Sat, 05 Nov 1994 08:49:36 GMT"
		after  = "Sat, 05 Nov 1994 08:49:38 GMT"
	)
	tests := []struct {
		name   string
		fields string // TAG stands for the file's own
		status int
	}{
		{"If-None-Match with the tag", "If-None-Match: TAG", 304},
		{"If-None-Match compares weakly", "If-None-Match: W/TAG", 304},
		{"If-None-Match with another tag", `If-None-Match: "x"`, 200},
		{"If-None-Match with any tag", "If-None-Match: *", 304},
		{"If-None-Match with a list", `If-None-Match: "a,b", W/"c" ,TAG`, 304},
		{"If-None-Match with empty items in its list", `If-None-Match: , ,TAG,`, 304},
		{"If-None-Match over two lines", "If-None-Match: \"x\"\nIf-None-Match: TAG", 304},
		{"If-None-Match without quotation marks", "If-None-Match: x", 200},
		{"If-None-Match that goes wrong before the tag", `If-None-Match: x, TAG`, 200},
		{"If-None-Match whose tags run together", `If-None-Match: "x"TAG`, 200},
		{"If-None-Match that is cut short", `If-None-Match: "x`, 200},
		{"an empty If-None-Match", "If-None-Match:", 200},
		{"a weakness in lower case is none", "If-None-Match: w/TAG", 200},

		{"If-Modified-Since with the same time", "If-Modified-Since: " + same, 304},
		{"If-Modified-Since with a later time", "If-Modified-Since: " + after, 304},
		{"If-Modified-Since with an earlier time", "If-Modified-Since: " + before, 200},
		{"If-Modified-Since in the RFC 850 form", "If-Modified-Since: Saturday, 05-Nov-94 08:49:37 GMT", 304},
		{"If-Modified-Since in C's form", "If-Modified-Since: Sat Nov  5 08:49:37 1994", 304},
		{"If-Modified-Since with no date", "If-Modified-Since: yesterday", 200},
		{"If-Modified-Since twice", "If-Modified-Since: " + same + "\nIf-Modified-Since: " + same, 200},
		{"If-None-Match beats If-Modified-Since", `If-None-Match: "x"` + "\nIf-Modified-Since: " + same, 200},

		{"If-Match with the tag", "If-Match: TAG", 200},
		{"If-Match compares strongly", "If-Match: W/TAG", 412},
		{"If-Match with another tag", `If-Match: "x"`, 412},
		{"If-Match with any tag", "If-Match: *", 200},
		{"If-Match over two lines", "If-Match: \"x\"\nIf-Match: TAG", 200},
		{"If-Match that is malformed", "If-Match: x", 412},
		{"If-Unmodified-Since with the same time", "If-Unmodified-Since: " + same, 200},
		{"If-Unmodified-Since with an earlier time", "If-Unmodified-Since: " + before, 412},
		{"If-Unmodified-Since with no date", "If-Unmodified-Since: x", 200},
		{"If-Match beats If-Unmodified-Since", "If-Match: TAG\nIf-Unmodified-Since: " + before, 200},
		{"If-Match is looked at before If-None-Match", "If-Match: \"x\"\nIf-None-Match: TAG", 412},
		{"If-None-Match is looked at after If-Match", "If-Match: TAG\nIf-None-Match: TAG", 304},
		{"a condition is looked at before a range", "If-None-Match: TAG\nRange: bytes=0-1", 304},

		{"If-Range with the tag", "If-Range: TAG\nRange: bytes=0-1", 206},
		{"If-Range with a weak tag", "If-Range: W/TAG\nRange: bytes=0-1", 200},
		{"If-Range with another tag", "If-Range: \"x\"\nRange: bytes=0-1", 200},
		{"If-Range with two tags", "If-Range: TAG, TAG\nRange: bytes=0-1", 200},
		{"If-Range with any tag", "If-Range: *\nRange: bytes=0-1", 200},
		{"If-Range with the date", "If-Range: " + same + "\nRange: bytes=0-1", 206},
		{"If-Range with a later date", "If-Range: " + after + "\nRange: bytes=0-1", 200},
		{"If-Range twice", "If-Range: TAG\nIf-Range: TAG\nRange: bytes=0-1", 200},
		{"If-Range without a range", "If-Range: \"x\"", 200},
	}
	for _, method := range []string{"GET", "HEAD"} {
		for _, tt := range tests {
			t.Run(method+", "+tt.name, func(t *testing.T) {
				want := tt.status
				if method == "HEAD" && want == 206 {
					want = 200
				}
				got := r.ask(method + " /small.txt HTTP/1.1\n" + strings.ReplaceAll(tt.fields, "TAG", tag))
				require.Equal(t, want, got.StatusCode)
				if want == 304 {
					require.Equal(t, tag, got.Header.Get("ETag"))
					require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
					require.Empty(t, got.Header.Get("Content-Type"))
					require.Empty(t, got.Header.Get("Content-Length"))
				}
			})
		}
	}
}

func TestADateOfThisVerySecondIsNotStrong(t *testing.T) {
	r := newRig(t, nil)
	const request = "GET /small.txt HTTP/1.1\nIf-Range: Sat, 05 Nov 1994 08:49:37 GMT\nRange: bytes=0-1"
	r.loc.Clock.Set(0, fileTime*1e9)
	require.Equal(t, 200, r.ask(request).StatusCode)
	r.loc.Clock.Set(0, (fileTime+1)*1e9)
	require.Equal(t, 206, r.ask(request).StatusCode)
}

// A date of a Wednesday begins with the letter that a weak tag begins with.
func TestADateIsNoTagOnAnyDay(t *testing.T) {
	const day = 24 * 60 * 60
	r := newRig(t, nil)
	for changed := int64(fileTime); changed < fileTime+7*day; changed += day {
		name := time.Unix(changed, 0).UTC().Weekday().String() + ".txt"
		r.put(name, small, changed)
		r.loc.Clock.Set(0, (changed+1)*1e9)
		for _, form := range []string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
			date := time.Unix(changed, 0).UTC().Format(form)
			require.Equal(t, 206, r.ask("GET /"+name+" HTTP/1.1\nIf-Range: "+date+"\nRange: bytes=0-1").StatusCode, date)
		}
	}
}

// A file may say that it was changed later than now: its clock was wrong, or ours is. Then each
// answer gives its own date, and no date that has been says that nothing has changed.
func TestAFileOfTheFutureWasChangedNow(t *testing.T) {
	r := newRig(t, nil)
	tag := r.ask("GET /small.txt HTTP/1.1").Header.Get("ETag")
	r.loc.Clock.Set(0, (fileTime-60)*1e9)
	for fields, want := range map[string]int{
		"Accept: */*":           200,
		"Range: bytes=0-1":      206,
		"Range: bytes=0-1,3-4":  206,
		"If-None-Match: " + tag: 304,
		"If-Modified-Since: Sat, 05 Nov 1994 08:48:37 GMT":          200,
		"If-Range: Sat, 05 Nov 1994 08:48:37 GMT\nRange: bytes=0-1": 200,
		"If-Range: Sat, 05 Nov 1994 08:49:37 GMT\nRange: bytes=0-1": 200,
	} {
		got := r.ask("GET /small.txt HTTP/1.1\n" + fields)
		require.Equal(t, want, got.StatusCode, fields)
		require.Equal(t, []string{"Sat, 05 Nov 1994 08:48:37 GMT"}, got.Header["Last-Modified"], fields)
		require.Equal(t, got.Header.Get("Date"), got.Header.Get("Last-Modified"), fields)
		require.Equal(t, tag, got.Header.Get("ETag"), fields)
		require.Equal(t, "no-cache", got.Header.Get("Cache-Control"), fields)
	}
	require.Equal(t, 412, r.ask("GET /small.txt HTTP/1.1\nIf-Unmodified-Since: Sat, 05 Nov 1994 08:48:36 GMT").StatusCode)
	r.loc.Clock.Set(0, fileTime*1e9)
	require.Equal(t, "Sat, 05 Nov 1994 08:49:37 GMT", r.ask("GET /small.txt HTTP/1.1").Header.Get("Last-Modified"))
}

// What is made anew for each request is there, and has no tag.
func TestConditionsForWhatHasNoTag(t *testing.T) {
	r := newRig(t, func(c *Config) { c.List = true })
	for _, path := range []string{"/bare/", "/health", "/metrics", "/stats", "/stats.html"} {
		for fields, want := range map[string]int{
			"If-Match: *":                       200,
			`If-Match: "x"`:                     412,
			"If-None-Match: *":                  304,
			`If-None-Match: "x"`:                200,
			"If-Match: *\nIf-None-Match: *":     304,
			"If-Match: \"x\"\nIf-None-Match: *": 412,
			"If-Modified-Since: " + "Sat, 05 Nov 1994 08:49:37 GMT": 200,
		} {
			got := r.ask("GET " + path + " HTTP/1.1\n" + fields)
			require.Equal(t, want, got.StatusCode, "%s %s", path, fields)
			if want == 304 {
				require.NotEmpty(t, got.Header.Get("Cache-Control"))
			}
		}
	}
}

func FuzzListsTag(f *testing.F) {
	for _, list := range []string{`"a"`, `W/"a"`, `"x", "a"`, `*`, `"a`, `"x" "a"`, `,,"a"`, `"a,b"`} {
		f.Add([]byte(list), []byte(`"a"`))
	}
	f.Fuzz(func(t *testing.T, list, tag []byte) {
		if listsTag(list, tag, strongly) {
			require.True(t, listsTag(list, tag, weakly), "what equals strongly equals weakly")
		}
		if string(list) != "*" && listsTag(list, tag, weakly) {
			require.Contains(t, string(list), string(tag))
		}
		if one, weak, rest, ok := cutTag(list); ok {
			prefix := ""
			if weak {
				prefix = "W/"
			}
			require.Equal(t, string(list), prefix+string(one)+string(rest))
			require.True(t, listsTag(list[:len(list)-len(rest)], one, weakly))
		}
	})
}
