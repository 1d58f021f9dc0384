package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// definitions are the sentences that say what something means. They bind by RFC 9110 2.4, which is
// interpret.
var definitions = []sentence{getMeans, sinceEarlier, hostCase, encodedSame, fieldRepeats, optionCase, strongChanges, expectCase, rangeOf200, lengthDefines, codingCase, chunkedIncomplete, closeFirst, closesElse}

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
