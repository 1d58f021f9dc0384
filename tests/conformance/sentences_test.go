package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// definitions are the sentences that say what something means. They bind by RFC 9110 2.4, which is
// interpret.
var definitions = []sentence{getMeans, sinceEarlier, hostCase, fieldRepeats, optionCase, expectCase, rangeOf200, lengthDefines, codingCase, chunkedIncomplete, closeFirst, closesElse}

// plain are the sentences that demand something in words of every day. There is one: of all that a
// server gives away, only what lies outside its root is a fault for each of them.
var plain = []sentence{avoidNames}

// What is quoted is told to people who are held to it: it must be a whole sentence, or an item of a
// list, and one that demands something.
func TestEachSentenceIsWholeAndBinds(t *testing.T) {
	text, err := os.ReadFile("sentences.go")
	require.NoError(t, err)
	quoted := regexp.MustCompile("sentence\\{(\"[^\"]*\"), (\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`)\\}").FindAllStringSubmatch(string(text), -1)
	require.Equal(t, strings.Count(string(text), "sentence{\""), len(quoted))
	binds := map[string]bool{}
	for _, s := range append(definitions, plain...) {
		binds[s.text] = true
	}
	for _, q := range quoted {
		section, err := strconv.Unquote(q[1])
		require.NoError(t, err)
		text, err := strconv.Unquote(q[2])
		require.NoError(t, err)
		assert.Regexp(t, `^\d{4} \d+(\.\d+)*$`, section)
		assert.Regexp(t, `^[A-Z].*([.:]|; else,)$`, text, "no whole sentence")
		assert.True(t, strings.Contains(text, "MUST") != binds[text], "it demands nothing, or stands among those without MUST: %s", text)
	}
}

func TestEachMustRestsOnASentenceOfAnRFC(t *testing.T) {
	defined := map[string]bool{}
	for _, s := range definitions {
		defined[s.text] = true
	}
	for _, c := range Cases() {
		if c.Level != MUST {
			assert.Empty(t, c.Quote, "%s is no MUST", c.ID)
			continue
		}
		assert.Regexp(t, `^\d{4} \d+(\.\d+)*$`, c.RFC, c.ID)
		assert.NotEmpty(t, c.Quote, c.ID)
		assert.True(t, strings.Contains(c.Quote, "MUST") || defined[c.Quote], "%s rests on a sentence that demands nothing: %s", c.ID, c.Quote)
	}
}

// A fault of level MUST that is not the case's own names its sentence, by breaks.
func TestNoMustIsFoundWithoutASentence(t *testing.T) {
	bare := regexp.MustCompile(`\.(at|fail|wrongStatus)\(MUST|script\(MUST`)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if strings.HasSuffix(file, "_test.go") || file == "exchange.go" || file == "case.go" { // which have breaks and mustScript
			continue
		}
		assert.Empty(t, bare.FindAllString(string(text), -1), file)
	}
}
