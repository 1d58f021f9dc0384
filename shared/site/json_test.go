package site

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCheckJSON(t *testing.T) {
	tests := []struct {
		name string
		text string
		want bool
	}{
		{"an object", `{"a": [1, {"b": null}], "c": "d"}`, true},
		{"a string", `"a"`, true},
		{"a number too large for a float", `1e999`, true},
		{"an escaped half of a surrogate pair", `"\ud800"`, true},
		{"four-byte characters", `["𝄞","𝄞"]`, true},
		{"nothing", ``, false},
		{"a byte order mark", "\ufeff{}", false},
		{"a missing bracket", `[1`, false},
		{"a bracket too many", `[1]]`, false},
		{"brackets of two kinds", `[1}`, false},
		{"a missing comma", `[1 2]`, false},
		{"a missing colon", `{"a" 1}`, false},
		{"a name without quotation marks", `{a: 1}`, false},
		{"a leading zero", `01`, false},
		{"a control character in a string", "\"\n\"", false},
		{"a surrogate pair in UTF-8", "\"\xed\xa0\x80\"", false},
		{"a character that never ends", "\"a\"\xe2\x82", false},
		{"a stray continuation", "\"\x80\"", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.text), iotest.OneByteReader(strings.NewReader(tt.text)), iotest.DataErrReader(strings.NewReader(tt.text))} {
				err := checkJSON(r)
				if tt.want {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, errInvalidJSON)
				}
			}
		})
	}
}

func TestCheckJSONPassesReadErrorsOn(t *testing.T) {
	broken := errors.New("broken disk")
	for _, before := range []string{"", "[1", "1", "\"\xc3"} {
		r := io.MultiReader(strings.NewReader(before), iotest.ErrReader(broken))
		require.ErrorIs(t, checkJSON(r), broken, "%q", before)
	}
}

// FuzzCheckJSON holds the streaming check against encoding/json's own, which wants the
// whole text at once.
func FuzzCheckJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2,{"b":"c"}]}`, `[1,]`, `{,}`, `1 2`, `"\u00e9é"`, "\"\xff\"", `tru`, `-`, `[[[]]]`, `{"a":1,"a":2}`, ` `} {
		f.Add([]byte(text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		want := json.Valid(text) && utf8.Valid(text)
		cut = min(max(cut, 0), len(text))
		r := io.MultiReader(strings.NewReader(string(text[:cut])), iotest.HalfReader(strings.NewReader(string(text[cut:]))))
		require.Equal(t, want, checkJSON(r) == nil, "%q", text)
	})
}
