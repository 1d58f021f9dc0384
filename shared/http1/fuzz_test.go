package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func addSeeds(f *testing.F) {
	for _, tt := range conversations {
		f.Add([]byte(tt.in))
	}
}

// No input makes it panic, read over the end, or hold more memory than it began with.
func FuzzNoPanic(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		c := newTestConn(&testConfig)
		for _, cut := range allCuts(uint64(len(in))) {
			c.Open(0)
			converse(c, in, cut.next, true)
			if cap(c.buf) != testConfig.BufferSize() || cap(c.req.Fields) > 2*testConfig.Fields {
				t.Fatal("memory grew")
			}
			c.Shut()
			if out := c.out.pool.Out(); out != 0 {
				t.Fatalf("%d chunks leaked", out)
			}
		}
	})
}

// However the input is cut, the same happens.
func FuzzSplitInvariance(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var first string
		for i, cut := range allCuts(uint64(len(in))) {
			got := converse(newTestConn(&testConfig), in, cut.next, true)
			if i == 0 {
				first = got
			} else if got != first {
				t.Fatalf("%s: %q\nwhole: %q", cut.name, got, first)
			}
		}
	})
}

// What we accept Go's net/http accepts too, and understands in the same way: method,
// target, body, and where each message ends. We may refuse what it accepts.
func FuzzDifferential(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		ours := accepted(in)
		r := bufio.NewReader(bytes.NewReader(in))
		for i, want := range ours {
			skipEmptyLines(r)
			req, err := http.ReadRequest(r)
			if err != nil {
				t.Fatalf("request %d: %q accepted by us: %v", i, want, err)
			}
			body, err := io.ReadAll(req.Body)
			if err != nil && spacedExtension.Match(in) {
				return
			}
			if err != nil {
				t.Fatalf("request %d: %q: body: %v", i, want, err)
			}
			if got := fmt.Sprintf("%s %s %q", req.Method, req.RequestURI, body); got != want {
				t.Fatalf("request %d: net/http reads %s, we read %s", i, got, want)
			}
		}
	})
}

// spacedExtension is the one point at which net/http refuses what RFC 9112 section 7.1.1
// wants accepted: white space between a chunk's size and its extension.
var spacedExtension = regexp.MustCompile(`(?i)[0-9a-f][ \t]+;`)

// accepted is the complete requests that we find.
func accepted(in []byte) (list []string) {
	cfg := testConfig
	cfg.Requests = 0
	log := converse(newTestConn(&cfg), in, func(left int) int { return left }, false)
	for line := range strings.Lines(log) {
		if strings.HasSuffix(line, "\"\n") { // a message with its body, not a fault or the end
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// skipEmptyLines does what RFC 9112 section 2.2 asks of servers and ReadRequest leaves
// to its caller.
func skipEmptyLines(r *bufio.Reader) {
	for {
		if p, err := r.Peek(2); err != nil || string(p) != "\r\n" {
			return
		}
		r.Discard(2)
	}
}
