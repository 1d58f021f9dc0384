package ranges

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"fmt"
	"strings"
	"testing"
)

// says is a verdict in short.
func says(value string, size int64) string {
	v, all := Parse(value, size)
	switch v {
	case Whole:
		return "whole"
	case Nothing:
		return "nothing"
	}
	var parts []string
	for _, r := range all {
		parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
	}
	return strings.Join(parts, " ")
}

type row struct {
	value string
	size  int64
	want  string
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		if got := says(r.value, r.size); got != r.want {
			t.Errorf("%.60q of %d bytes: %s, want %s", r.value, r.size, got, r.want)
		}
	}
}

func TestOneRange(t *testing.T) {
	check(t, []row{
		{"bytes=0-4", 10, "0-4"},
		{"bytes=5-", 10, "5-9"},
		{"bytes=-3", 10, "7-9"},
		{"Bytes=0-0", 10, "0-0"},
		{"bytes=5-99", 10, "5-9"},
		{"bytes=-99", 10, "0-9"},
		{"bytes=9-9", 10, "9-9"},
		{"bytes=007-8", 10, "7-8"},
		{"bytes=0-99999999999999999999999", 10, "0-9"},
		{"bytes=-99999999999999999999999", 10, "0-9"},
		{"bytes=0-10000000000000000000", 10, "0-9"},
		{"bytes=0-18446744073709551618", 10, "0-9"},
	})
}

func TestLists(t *testing.T) {
	check(t, []row{
		{"bytes=0-1,5-6", 10, "0-1 5-6"},
		{"bytes=5-6 ,\t0-1", 10, "5-6 0-1"},
		{"bytes=,0-1,,5-6,", 10, "0-1 5-6"},
		{"bytes=0-1,99-", 10, "0-1"},
		{"bytes=0-4,5-9", 10, "0-4 5-9"},
		{"bytes=" + strings.Repeat("0-0,", Most), 100, strings.TrimSuffix(strings.Repeat("0-0 ", Most), " ")},
	})
}

func TestNothingToSend(t *testing.T) {
	check(t, []row{
		{"bytes=10-", 10, "nothing"},
		{"bytes=-0", 10, "nothing"},
		{"bytes=0-", 0, "nothing"},
		{"bytes=-5", 0, "nothing"},
		{"bytes=99999999999999999999999-", 10, "nothing"},
		{"bytes=18446744073709551618-", 10, "nothing"},
		{"bytes=10-,20-30", 10, "nothing"},
	})
}

// What is ignored is followed by one that is not: a parser that ignores all is told apart.
func TestWhatIsIgnored(t *testing.T) {
	rows := []row{{"bytes=0-4", 10, "0-4"}, {"bytes=" + strings.Repeat("0-0,", Most+1), 100, "whole"}}
	for _, value := range []string{
		"", "bytes", "bytes=", "bytes=,", "lines=0-4", "0-4", "bytes 0-4", "bytes=-", "bytes=a-4", "bytes=0-b", "bytes=0 -4", "bytes=+0-4",
		"bytes=4-0", "bytes=0-4,x", "bytes=0-4;5-6", "bytes=--4", "bytes=0-4-5", "bytes=0x0-4",
		"bytes=0-0,0-9", // more than the file
		"bytes=0-9,0-9", // the same
	} {
		rows = append(rows, row{value, 10, "whole"})
	}
	check(t, rows)
}
