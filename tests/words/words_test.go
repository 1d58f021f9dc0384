package words

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSplitAsAShellDoes(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		"  a   b ":                 {"a", "b"},
		`'a b' c`:                  {"a b", "c"},
		`"a 'b'" c`:                {"a 'b'", "c"},
		`a\ b`:                     {"a b"},
		`x'y z'w`:                  {"xy zw"},
		`'' b`:                     {"", "b"},
		`'a\b'`:                    {`a\b`},
		`./s --port {port} -h 'X'`: {"./s", "--port", "{port}", "-h", "X"},
	} {
		got, err := Split(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{`'a`, `a"b`, `a\`} {
		_, err := Split(text)
		assert.Error(t, err, text)
	}
}

func TestQuotedWordsAreUndoneBySplit(t *testing.T) {
	for _, text := range []string{"a b", "it's", `a\b "c"`, "", "plain/name-1.txt", "ä"} {
		for _, quote := range []func(string) string{Quote, Word} {
			got, err := Split(quote(text))
			assert.NoError(t, err)
			assert.Equal(t, []string{text}, got)
		}
	}
}
