package conformance

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShowSetsTheCaretBeneathItsByte(t *testing.T) {
	for _, row := range []struct {
		name, bytes string
		mark        int
		want        []string
	}{
		{"at the start", "GET\r\nHost\r\n", 0, []string{`GET\r\n`, `^`, `Host\r\n`}},
		{"on the second line", "GET\r\nHost\r\n", 6, []string{`GET\r\n`, `Host\r\n`, ` ^`}},
		{"behind escaped bytes", "\x00\xffa", 2, []string{`\x00\xffa`, `        ^`}},
		{"behind the last byte", "ab\r\n", 4, []string{`ab\r\n`, `      ^`}},
		{"nowhere", "ab\r\n", -1, []string{`ab\r\n`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b strings.Builder
			show(&b, "sent", []byte(row.bytes), row.mark)
			assert.Equal(t, row.want, shownBytes(b.String()))
		})
	}
}

func TestShowShortensLongTranscripts(t *testing.T) {
	var b strings.Builder
	show(&b, "sent", []byte(strings.Repeat("x\r\n", 1000)), 3*500)
	lines := shownBytes(b.String())
	assert.Less(t, len(lines), 40)
	assert.Contains(t, lines, "^")
	assert.Contains(t, lines, "… 482 lines …")

	b.Reset()
	show(&b, "sent", []byte(strings.Repeat("x", 10_000)), 5000)
	assert.Less(t, b.Len(), 400)
}

// shownBytes is what show wrote, without its heading and indentation.
func shownBytes(text string) []string {
	lines := strings.Split(text, "\n")[2:]
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "    ")
	}
	return lines
}

func TestALevelIsThatOfTheHeaviestFault(t *testing.T) {
	date := Fault{Level: MUST, Text: "no Date", Wide: true}
	own := Fault{Level: SHOULD, Text: "wrong"}
	assert.Equal(t, SHOULD, (&Result{Failed: []Failure{{Faults: []Fault{own}}}}).Level())
	assert.Equal(t, MUST, (&Result{Failed: []Failure{{Faults: []Fault{own, date}}}}).Level())
}
