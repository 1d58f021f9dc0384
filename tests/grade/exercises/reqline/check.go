package reqline

// What the piece has to do. These tests are a reader's as well, so they need nothing but the
// standard library; each of them fails on the skeleton.

import (
	"fmt"
	"strings"
	"testing"
)

var lines = []struct {
	in   string
	want string // method|target|version, "more", or "bad" and after how many bytes
}{
	{"GET / HTTP/1.1\r\n", "GET|/|HTTP/1.1"},
	{"M-SEARCH * HTTP/1.0\r\nHost: a", "M-SEARCH|*|HTTP/1.0"},
	{"GET http://a/?b=c%20d HTTP/1.9\r\n\r\n", "GET|http://a/?b=c%20d|HTTP/1.9"},
	{"GET / HTTP/1.1\r", "more"},
	{"GET / HT", "more"},
	{"", "more"},
	{"\x16\x03\x01", "bad 1"},
	{" GET / HTTP/1.1\r\n", "bad 1"},
	{"GE:T / HTTP/1.1\r\n", "bad 3"},
	{"GET  / HTTP/1.1\r\n", "bad 5"},
	{"GET /  HTTP/1.1\r\n", "bad 7"},
	{"GET /\xc3\xa4 HTTP/1.1\r\n", "bad 6"},
	{"GET /\r\n", "bad 6"},
	{"GET / http/1.1\r\n", "bad 7"},
	{"GET / HTTP/2.0\r\n", "bad 12"},
	{"GET / HTTP/1.x\r\n", "bad 14"},
	{"GET / HTTP/1.10\r\n", "bad 15"},
	{"GET / HTTP/1.1\n", "bad 15"},
	{"GET / HTTP/1.1\rX", "bad 16"},
	{"GET / HTTP/1.\r\n", "bad 14"},
	{"GET /" + strings.Repeat("a", Max-len("GET / HTTP/1.1")) + " HTTP/1.1\r\n", "GET|/" + strings.Repeat("a", Max-len("GET / HTTP/1.1")) + "|HTTP/1.1"},
	{"GET /" + strings.Repeat("a", Max), fmt.Sprint("bad ", Max+1)},
}

// play feeds pieces and says what has come out.
func play(pieces ...string) string {
	var p Parser
	all := 0
	for _, piece := range pieces {
		for len(piece) > 0 {
			used, r := p.Feed([]byte(piece))
			all += used
			switch r {
			case Done:
				return p.Method + "|" + p.Target + "|" + p.Version
			case Bad:
				return fmt.Sprint("bad ", all)
			}
			if used != len(piece) {
				return fmt.Sprintf("more, with %d of %d bytes used", used, len(piece))
			}
			piece = ""
		}
	}
	return "more"
}

func TestWholeLines(t *testing.T) {
	for _, l := range lines {
		if got := play(l.in); got != l.want {
			t.Errorf("%q: %s, want %s", l.in, got, l.want)
		}
	}
}

func TestEverySplit(t *testing.T) {
	for _, l := range lines {
		for cut := 0; cut <= len(l.in); cut++ {
			if got := play(l.in[:cut], l.in[cut:]); got != l.want {
				t.Fatalf("%q, cut after byte %d: %s, want %s", l.in, cut, got, l.want)
			}
		}
		if got := play(strings.Split(l.in, "")...); got != l.want {
			t.Errorf("%q, byte by byte: %s, want %s", l.in, got, l.want)
		}
	}
}

func TestWhatFollowsIsNotTaken(t *testing.T) {
	const line = "GET / HTTP/1.1\r\n"
	var p Parser
	if used, r := p.Feed([]byte(line + "Host: a\r\n")); used != len(line) || r != Done {
		t.Errorf("%d bytes are used, and it is %v; the line has %d", used, r, len(line))
	}
}
