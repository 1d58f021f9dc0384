package site

// Names of downloads, and targets of redirects, for any file's name. Packages mime and net/url read
// what was written.

import (
	"mime"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"fourways/shared/guard"
)

func TestDisposition(t *testing.T) {
	tests := []struct {
		name string
		file string
		want string
	}{
		{"a plain name", "logo.png", `attachment; filename="logo.png"`},
		{"blanks and semicolons", "a b;c.txt", `attachment; filename="a b;c.txt"`},
		{"quotation marks", `a"b.txt`, `attachment; filename="a\"b.txt"`},
		{"letters beyond ASCII", "Grüße.txt", `attachment; filename="Gr__e.txt"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt`},
		{"a euro sign", "€.txt", `attachment; filename="_.txt"; filename*=UTF-8''%E2%82%AC.txt`},
		{"a percent sign", "100%41.txt", `attachment; filename="100_41.txt"; filename*=UTF-8''100%2541.txt`},
		{"an apostrophe in an extended name", "ü'(x).txt", `attachment; filename="_'(x).txt"; filename*=UTF-8''%C3%BC%27%28x%29.txt`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, string(appendDisposition(nil, tt.file)))
			_, params, err := mime.ParseMediaType(tt.want)
			require.NoError(t, err)
			require.Equal(t, tt.file, params["filename"], "as a client reads it")
		})
	}
}

func FuzzDisposition(f *testing.F) {
	for _, name := range []string{"a.txt", `a"b`, "ü", "%41", "a;b=c", "a\u200bb"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, fault := guard.Path(nil, append([]byte("/"), url.PathEscape(name)...))
		if !fault.OK() || !utf8.ValidString(name) || name == "" || path[len(path)-1] == '/' {
			return
		}
		field := string(appendDisposition(nil, name))
		for _, c := range []byte(field) {
			require.True(t, c >= ' ' && c <= '~', "%q", field)
		}
		_, params, err := mime.ParseMediaType(field)
		require.NoError(t, err, "%q", field)
		require.Equal(t, name, params["filename"])
	})
}

func FuzzRedirectTarget(f *testing.F) {
	for _, raw := range []string{"/sub", "/a%20b", "/%C3%BC", "/a@b:c", "/;a=b"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		path, fault := guard.Path(nil, raw)
		if !fault.OK() || path[len(path)-1] == '/' {
			return
		}
		target := string(appendPath(nil, path)) + "/"
		u, err := url.Parse(target)
		require.NoError(t, err)
		require.Empty(t, u.Host, "the redirect stays here")
		require.Equal(t, string(path)+"/", u.Path)
	})
}
