package guard

// Paths, types and ids: what passes the guard and what does not. The fuzz test holds Path to a
// plain model of what is harmless.

import (
	"bytes"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"fourways/shared/fault"
)

func TestPath(t *testing.T) {
	tests := []struct {
		name   string
		raw    string
		want   string // the decoded path where the status is 0
		status int
	}{
		{"the root", "/", "/", 0},
		{"a file", "/index.html", "/index.html", 0},
		{"a file in a folder", "/a/b/c.txt", "/a/b/c.txt", 0},
		{"a folder keeps its slash", "/a/b/", "/a/b/", 0},
		{"an encoded blank", "/a%20b.txt", "/a b.txt", 0},
		{"a plus sign is itself", "/a+b.txt", "/a+b.txt", 0},
		{"encoded letters", "/%69ndex.html", "/index.html", 0},
		{"hexadecimal digits in either case", "/%C3%bc.txt", "/ü.txt", 0},
		{"UTF-8 as it is", "/ü.txt", "/ü.txt", 0},
		{"a name with dots in it", "/a..b/...c", "/a..b/...c", 0},
		{"parameters of a name", "/a;x=1/b;..", "/a;x=1/b;..", 0},
		{"parameters without a name", "/a/;x", "/a/;x", 0},
		{"a hidden name is not this check's matter", "/.env", "/.env", 0},
		{"an encoded percent sign is not decoded again", "/%252e%252e/x", "/%2e%2e/x", 0},
		{"an encoded question mark belongs to the name", "/a%3Fb", "/a?b", 0},

		{"a parent", "/..", "", 403},
		{"a parent in the middle", "/a/../b", "", 403},
		{"a parent with a slash", "/a/../", "", 403},
		{"an encoded parent", "/%2e%2e/etc/passwd", "", 403},
		{"a parent encoded by half", "/.%2E/etc/passwd", "", 403},
		{"the folder itself", "/./a", "", 403},
		{"the folder itself at the end", "/a/.", "", 403},
		{"three dots", "/.../a", "", 403},
		{"four dots at the end", "/a/....", "", 403},
		{"a parent with parameters", "/a/..;/b", "", 403},
		{"a parent with an encoded semicolon", "/a/%2e%2e%3bx=1/b", "", 403},
		{"the folder itself with parameters, at the end", "/a/.;x", "", 403},
		{"an empty segment", "//a", "", 403},
		{"an empty segment in the middle", "/a//b", "", 403},
		{"two slashes at the end", "/a//", "", 403},
		{"two slashes alone", "//", "", 403},
		{"a backslash", `/a\b`, "", 403},
		{"a parent with backslashes", `/..\..\x`, "", 403},
		{"an encoded backslash", "/a%5Cb", "", 403},
		{"an encoded slash", "/a%2fb", "", 403},
		{"an encoded slash in capitals", "/..%2F..%2Fetc/passwd", "", 403},
		{"an encoded slash at the end", "/a%2f", "", 403},
		{"a NUL", "/index.html%00.png", "", 403},
		{"a control character", "/a%0ab", "", 403},
		{"a tab", "/a%09b", "", 403},
		{"the delete character", "/a%7fb", "", 403},
		{"a control character after ASCII", "/a%c2%85b", "", 403},

		{"a percent sign at the end", "/a%", "", 400},
		{"one digit", "/a%2", "", 400},
		{"no hexadecimal digits", "/a%zz", "", 400},
		{"no hexadecimal digit in the second place", "/a%2g", "", 400},
		{"an encoding in the form of %u", "/%u002e", "", 400},
		{"a broken encoding beats what is around it", "/../%zz", "", 400},
		{"bytes that are not UTF-8", "/%ff", "", 400},
		{"a dot in too many bytes", "/%c0%ae%c0%ae/x", "", 400},
		{"half a surrogate pair", "/%ed%a0%80", "", 400},
		{"UTF-8 cut short", "/%c3", "", 400},
		{"no slash at the beginning", "index.html", "", 400},
		{"nothing", "", "", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, fault := Path([]byte("kept"), []byte(tt.raw))
			require.Equal(t, tt.status, fault.Status)
			require.Equal(t, "kept"+tt.want, string(got), "what is appended")
		})
	}
}

func TestPathDoesNotAllocate(t *testing.T) {
	raw, dst := []byte("/folder/%C3%BCber.html"), make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(100, func() { Path(dst, raw) }))
}

// FuzzPath holds what Path accepts against two other readings of a path.
func FuzzPath(f *testing.F) {
	for _, raw := range []string{"/", "/a/b.html", "/a/", "/%2e%2e/x", "/..%2fx", "/a//b", "/....", "/%c0%ae", `/..\x`, "/%00", "/%25"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		decoded, fault := Path(nil, raw)
		if !fault.OK() {
			require.Empty(t, decoded)
			return
		}
		p := string(decoded)
		require.LessOrEqual(t, len(p), len(raw))
		require.True(t, utf8.ValidString(p))
		require.False(t, strings.ContainsAny(p, "\x00\\"), "%q", p)
		require.Equal(t, strings.Count(string(raw), "/"), strings.Count(p, "/"), "%q: decoding makes no slashes", p)
		clean := path.Clean(p)
		if len(p) > 1 && strings.HasSuffix(p, "/") {
			clean += "/"
		}
		require.Equal(t, clean, p, "there is nothing to clean")
		if p != "/" {
			require.True(t, filepath.IsLocal(p[1:]), "%q leaves the root", p)
		}
	})
}

func TestTypes(t *testing.T) {
	types := NewTypes([]string{"html", "txt", "png"})
	tests := []struct {
		name string
		path string
		want fault.Reason
	}{
		{"an allowed type", "/index.html", fault.NoReason},
		{"an allowed type in capitals", "/INDEX.HTML", fault.NoReason},
		{"an extension that is longer than any", "/a.html" + strings.Repeat("l", 100), fault.RefusedType},
		{"the last extension counts", "/a.php.html", fault.NoReason},
		{"a folder", "/a/", fault.NoReason},
		{"the root", "/", fault.NoReason},
		{"a folder with a dot in its name", "/v1.2/", fault.NoReason},
		{"no extension", "/README", fault.NoReason},
		{"a dot at the end is no extension", "/a.", fault.NoReason},
		{"the public hidden folder", "/.well-known/", fault.NoReason},
		{"the public hidden folder without its slash", "/.well-known", fault.NoReason},
		{"a file in the public hidden folder", "/.well-known/security.txt", fault.NoReason},
		{"a dot in the middle of a name", "/a/b.c.txt", fault.NoReason},

		{"another type", "/script.php", fault.RefusedType},
		{"another type after an allowed one", "/index.html.php", fault.RefusedType},
		{"a longer extension", "/a.htmlx", fault.RefusedType},
		{"a shorter extension", "/a.htm", fault.RefusedType},
		{"a hidden name of another type", "/.env", fault.RefusedType},
		{"a type beyond ASCII", "/a.h\u0442ml", fault.RefusedType},

		{"a hidden name of an allowed type", "/.html", fault.HiddenFile},
		{"a hidden file of an allowed type", "/.secret.txt", fault.HiddenFile},
		{"an allowed type in a hidden folder", "/.git/a.txt", fault.HiddenFile},
		{"a hidden folder", "/.git/", fault.HiddenFile},
		{"no extension in a hidden folder", "/.git/config", fault.HiddenFile},
		{"a hidden folder in the middle", "/a/.b/c.txt", fault.HiddenFile},
		{"a name that begins as the public one", "/.well-known-not/a.txt", fault.HiddenFile},
		{"a hidden file in the public hidden folder", "/.well-known/.a.txt", fault.HiddenFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, types.Check([]byte(tt.path)).Reason)
		})
	}
}

func TestTypeCheckDoesNotAllocate(t *testing.T) {
	types, file := NewTypes([]string{"html", "txt"}), []byte("/.well-known/a.txt")
	require.Zero(t, testing.AllocsPerRun(100, func() { types.Check(file) }))
}

func TestRequestID(t *testing.T) {
	tests := []struct {
		name string
		id   string
		want bool
	}{
		{"a UUID", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", true},
		{"letters, digits and - _ .", "aZ09-_.", true},
		{"one character", "x", true},
		{"64 characters", strings.Repeat("a", 64), true},
		{"65 characters", strings.Repeat("a", 65), false},
		{"none", "", false},
		{"a blank", "a b", false},
		{"a quotation mark", `a"b`, false},
		{"markup", "<b>", false},
		{"a line feed", "a\nb", false},
		{"letters beyond ASCII", "ü", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, RequestID([]byte(tt.id)))
		})
	}
}

func TestJSONType(t *testing.T) {
	tests := []struct {
		name  string
		value string
		want  bool
	}{
		{"plain", "application/json", true},
		{"in capitals", "Application/JSON", true},
		{"with a parameter", "application/json; charset=utf-8", true},
		{"with a blank before the semicolon", "application/json ;charset=utf-8", true},
		{"another type", "text/plain", false},
		{"a longer subtype", "application/jsonp", false},
		{"a structured suffix", "application/problem+json", false},
		{"json as a parameter", "text/plain; x=application/json", false},
		{"a list", "application/json, text/plain", false},
		{"a list behind a parameter", "application/json; charset=utf-8, text/plain", false},
		{"a comma in quotation marks", `application/json; x="a, \"b, c"; y=d`, true},
		{"a list behind a parameter in quotation marks", `application/json; x="a\\", text/plain`, false},
		{"none", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, JSONType([]byte(tt.value)))
		})
	}
}

func TestExtension(t *testing.T) {
	require.Equal(t, "html", string(Extension([]byte("/a.b/c.html"))))
	require.True(t, bytes.Equal(nil, Extension([]byte("/a.b/c"))), "a folder's dot is none")
}
