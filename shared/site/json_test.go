package site

// The JSON checker against encoding/json, in parts of every size. Where a text goes wrong, the
// checker must say so at that very byte.

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
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
			for _, size := range []int{len(tt.text), 1, 2, 3} {
				require.Equal(t, tt.want, valid([]byte(tt.text), size), "in parts of %d bytes", size)
			}
		})
	}
}

// valid checks a text that comes in parts.
func valid(text []byte, size int) bool {
	var c checker
	for part := range slices.Chunk(text, max(size, 1)) {
		if !c.take(part) {
			return false
		}
	}
	return c.end()
}

func TestATextIsRefusedWhereItGoesWrong(t *testing.T) {
	var c checker
	require.True(t, c.take([]byte(`{"a":[1,2`)))
	require.False(t, c.take([]byte(`,,`)))
	require.False(t, c.take([]byte(`3]}`)), "and nothing mends it")
	require.False(t, c.end())
}

// worstTexts are those that a checker of tokens, or of values, is slow with.
var worstTexts = map[string][]byte{
	"numbers":          []byte("[" + strings.Repeat("1,", 512<<10) + "1]"),
	"empty arrays":     []byte("[" + strings.Repeat("[],", 340<<10) + "[]]"),
	"escapes":          []byte(`"` + strings.Repeat(`\u00e9`, 170<<10) + `"`),
	"beyond ASCII":     []byte(`"` + strings.Repeat("é", 512<<10) + `"`),
	"one string":       []byte(`"` + strings.Repeat("x", 1<<20) + `"`),
	"white space":      []byte(strings.Repeat(" ", 1<<20) + "1"),
	"names and values": []byte("{" + strings.Repeat(`"a":true,`, 110<<10) + `"b":null}`),
}

// Checking is to cost about what the standard library's scanner needs, whatever the text: a
// client that is within its limits must not take a processor. The fastest runs of both are
// compared, and there are as many as a busy machine needs to let both run undisturbed.
func TestCheckingIsAsFastAsAScan(t *testing.T) {
	for name, text := range worstTexts {
		t.Run(name, func(t *testing.T) {
			ours, theirs := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for n := 0; n < 10 || n < 200 && ours >= 2*theirs; n++ {
				began := time.Now()
				require.True(t, valid(text, spillAt))
				ours = min(ours, time.Since(began))
				began = time.Now()
				require.True(t, json.Valid(text) && utf8.Valid(text))
				theirs = min(theirs, time.Since(began))
			}
			t.Logf("%.2f of json.Valid's time", float64(ours)/float64(theirs))
			require.Less(t, ours, 2*theirs)
			require.LessOrEqual(t, testing.AllocsPerRun(1, func() { valid(text, spillAt) }), 1.0, "the nesting is noted once")
		})
	}
}

// FuzzCheckJSON holds the check of parts against encoding/json's own, which wants the
// whole text at once.
func FuzzCheckJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2,{"b":"c"}]}`, `[1,]`, `{,}`, `1 2`, `"\u00e9é"`, "\"\xff\"", `tru`, `-`, `[[[]]]`, `{"a":1,"a":2}`, ` `} {
		f.Add([]byte(text), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		want := json.Valid(text) && utf8.Valid(text)
		require.Equal(t, want, valid(text, cut), "%q in parts of %d bytes", text, cut)
	})
}
