package http1

// The parser on arbitrary bytes, in both roles: no panic, the same result for every cut, and
// agreement with net/http. The seeds are the tables of conn_test.go and client_test.go, and the
// known attacks of http1test.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
	"fourways/shared/http1/http1test"
)

func addSeeds(f *testing.F) {
	for _, tt := range conversations {
		f.Add([]byte(tt.in))
	}
	for _, tt := range http1test.Requests {
		f.Add([]byte(tt.In))
	}
}

// No input makes it panic, read over the end, or hold more memory than it began with.
func FuzzNoPanic(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		pool := bufpool.New(chain.ChunkSize, 8)
		c := newConnOn(&testConfig, pool)
		for _, cut := range allCuts(uint64(len(in))) {
			c.Open(0)
			converse(c, in, cut.next, true)
			if cap(c.buf) != testConfig.BufferSize() || cap(c.req.Fields) > 2*testConfig.Fields {
				t.Fatal("memory grew")
			}
			c.Shut()
			if out := pool.Out(); out != 0 {
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
			if err != nil && strings.Contains(err.Error(), "Host header") {
				return // ours is looked at by package guard, which refuses the same
			}
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

// spacedExtension is the one point at which net/http refuses what RFC 9112 7.1.1 wants accepted:
// white space between a chunk's size and its extension.
var spacedExtension = regexp.MustCompile(`(?i)[0-9a-f][ \t]+;`)

// addAnswers are the seeds of the client's side: the method of a request, and what answers it.
func addAnswers(f *testing.F) {
	for _, tt := range answers {
		f.Add(tt.method, []byte(tt.in))
	}
	for _, tt := range http1test.Answers {
		f.Add(tt.Method, []byte(tt.In))
	}
}

// No answer makes a client panic, or hold more memory than it began with.
func FuzzClientNoPanic(f *testing.F) {
	addAnswers(f)
	f.Fuzz(func(t *testing.T, method string, in []byte) {
		pool := bufpool.New(chain.ChunkSize, 8)
		c := NewClient(&testLimits, pool)
		for _, cut := range allCuts(uint64(len(in))) {
			for _, eof := range []bool{true, false} {
				c.Open()
				request(c, method)
				listen(c, in, cut.next, eof)
				if cap(c.buf) != testLimits.BufferSize() || cap(c.resp.Fields) > 2*testLimits.Fields {
					t.Fatal("memory grew")
				}
				c.Shut()
				if out := pool.Out(); out != 0 {
					t.Fatalf("%d chunks leaked", out)
				}
			}
		}
	})
}

// However an answer is cut, the same is understood.
func FuzzClientSplitInvariance(f *testing.F) {
	addAnswers(f)
	f.Fuzz(func(t *testing.T, method string, in []byte) {
		for _, eof := range []bool{true, false} {
			var first string
			for i, cut := range allCuts(uint64(len(in))) {
				c := newTestClient(&testLimits)
				request(c, method)
				got := listen(c, in, cut.next, eof)
				if i == 0 {
					first = got
				} else if got != first {
					t.Fatalf("%s: %q\nwhole: %q", cut.name, got, first)
				}
			}
		}
	})
}

// Whatever answer we understand, net/http understands in the same way: the interim ones, the
// status, the body, and where it ends. We may refuse what it accepts.
func FuzzClientDifferential(f *testing.F) {
	addAnswers(f)
	f.Fuzz(func(t *testing.T, method string, in []byte) {
		if method == "CONNECT" {
			return // to ReadResponse it is a method like others
		}
		c := newTestClient(&testLimits)
		request(c, method)
		log := listen(c, in, func(left int) int { return left }, true)
		r := bufio.NewReader(bytes.NewReader(in))
		for want := range strings.Lines(log) {
			final := strings.HasSuffix(want, "\"\n")
			if _, err := strconv.Atoi(strings.TrimSpace(want)); err != nil && !final {
				return // how it ended
			}
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%q understood by us: %v", want, err)
			}
			got := fmt.Sprintln(resp.StatusCode)
			if final {
				body, err := io.ReadAll(resp.Body)
				if err != nil && spacedExtension.Match(in) {
					return
				}
				if err != nil {
					t.Fatalf("%q understood by us: body: %v", want, err)
				}
				got = fmt.Sprintf("%d %q\n", resp.StatusCode, body)
			}
			if got != want {
				t.Fatalf("net/http reads %q, we read %q", got, want)
			}
			if final && r.Buffered() > 0 != strings.HasSuffix(log, "unasked-answer\n") && !c.resp.switches() {
				t.Fatalf("%q: net/http finds %d bytes behind it", log, r.Buffered())
			}
		}
	})
}

// grammar is that of chunk extensions, as RFC 9112 7.1.1 and RFC 9110 5.6 write it.
var grammar = func() *regexp.Regexp {
	const (
		bws    = `[ \t]*`
		token  = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
		data   = `[\t \x21\x23-\x5b\x5d-\x7e\x{80}-\x{ff}]` // each byte is written as a character of Latin-1
		pair   = `\\[\t \x21-\x7e\x{80}-\x{ff}]`
		quoted = `"(?:` + data + `|` + pair + `)*"`
	)
	return regexp.MustCompile(`^(?:` + bws + `;` + bws + token + `(?:` + bws + `=` + bws + `(?:` + token + `|` + quoted + `))?)*$`)
}()

// A chunk extension is taken if the grammar has it, and only then.
func FuzzExtensions(f *testing.F) {
	for _, tt := range conversations {
		if _, line, ok := strings.Cut(tt.in, "\r\n\r\n5"); ok {
			line, _, _ = strings.Cut(line, "\r\n")
			f.Add([]byte(line))
		}
	}
	f.Fuzz(func(t *testing.T, ext []byte) {
		var latin1 strings.Builder
		for _, b := range ext {
			latin1.WriteRune(rune(b))
		}
		if got, want := validExtensions(ext), grammar.MatchString(latin1.String()); got != want {
			t.Fatalf("%q: taken %v, by the grammar %v", ext, got, want)
		}
	})
}

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

// skipEmptyLines does what RFC 9112 2.2 asks of servers and ReadRequest leaves
// to its caller.
func skipEmptyLines(r *bufio.Reader) {
	for {
		if p, err := r.Peek(2); err != nil || string(p) != "\r\n" {
			return
		}
		r.Discard(2)
	}
}
