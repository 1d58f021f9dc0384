package conformance

// The reader of answers. It keeps every byte it has seen, so that a report can show
// them, and accepts only what RFC 9112 lets a sender generate: a recipient may be
// lenient, a judge may not.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"fourways/shared/plural"
)

// Bounds of what is read.
const (
	readStep     = 64 << 10 // bytes asked of the connection at once
	longestHead  = 64 << 10 // bytes of an answer's head; more is a fault
	chunkDigits  = 15       // hexadecimal digits of a chunk's size
	longestTrail = 64 << 10 // bytes of a chunk-size line or trailer section
	longestAwait = 64 << 20 // bytes of a body of known length that may take longer than answerWait
)

// Field is one field line of an answer.
type Field struct {
	Name, Value string
	At          int // offset of the line in the bytes received
}

// Response is one answer, as it came.
type Response struct {
	Status   int
	Minor    int // of the HTTP version
	Fields   []Field
	Body     []byte
	Chunks   []int // sizes of the chunks of a chunked body, the last one left out
	Chunked  bool
	ToEOF    bool // the body ended with the connection
	At       int  // offset of its first byte in the bytes received
	StatusAt int  // offset of its status
	BodyAt   int  // offset of the byte after its head
}

// Get is the value of the first field of that name, and "" where there is none.
func (r *Response) Get(name string) string {
	if all := r.All(name); len(all) > 0 {
		return all[0].Value
	}
	return ""
}

// Has reports whether there is a field of that name.
func (r *Response) Has(name string) bool { return len(r.All(name)) > 0 }

// All returns the fields of that name.
func (r *Response) All(name string) []Field {
	var all []Field
	for _, f := range r.Fields {
		if strings.EqualFold(f.Name, name) {
			all = append(all, f)
		}
	}
	return all
}

// Lists reports whether a comma-separated field has the token, in any case.
func (r *Response) Lists(name, token string) bool {
	for _, f := range r.All(name) {
		for item := range strings.SplitSeq(f.Value, ",") {
			if strings.EqualFold(strings.Trim(item, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// What can go wrong before there is an answer to judge.
var (
	errClosed = errors.New("the connection was closed without an answer")
	errSilent = errors.New("no answer came in time")
)

// malformed is an answer that breaks the protocol.
type malformed struct {
	at   int    // offset in the bytes received
	rfc  string // the section that has the form
	text string
	on   sentence // what demands it, where that is more than the grammar
}

func (m *malformed) Error() string { return m.text }

// reader reads answers from one connection.
type reader struct {
	conn net.Conn
	buf  []byte // all that was received
	pos  int    // buf[pos:] is not read yet
	end  error  // why nothing more will come
}

// fill reads once, until the deadline.
func (r *reader) fill(deadline time.Time) error {
	if r.end != nil {
		return r.end
	}
	r.reserve(readStep, 2*cap(r.buf)+readStep)
	_ = r.conn.SetReadDeadline(deadline)
	n, err := r.conn.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	r.end = err
	return err
}

// reserve moves the buffer to one of the given size where it has no room for n bytes more.
func (r *reader) reserve(n, size int) {
	if cap(r.buf)-len(r.buf) < n {
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
}

// response reads the next answer to a request of that method (RFC 9112 6.3).
func (r *reader) response(method string, deadline time.Time) (*Response, error) {
	for r.pos == len(r.buf) {
		if err := r.fill(deadline); errors.Is(err, errSilent) {
			return nil, errSilent
		} else if err != nil {
			return nil, errClosed
		}
	}
	res := &Response{At: r.pos}
	if err := r.head(res, deadline); err != nil {
		return res, err
	}
	res.BodyAt = r.pos
	return res, r.body(res, method, deadline)
}

// line takes the next line without its CR LF.
func (r *reader) line(limit int, deadline time.Time) (string, error) {
	from := r.pos
	for {
		if i := bytes.IndexByte(r.buf[from:], '\n'); i >= 0 {
			lf, start := from+i, r.pos
			if lf == start || r.buf[lf-1] != '\r' {
				return "", &malformed{at: lf, rfc: "9112 2.2", text: "a line ends in LF without CR"}
			}
			if cr := bytes.IndexByte(r.buf[start:lf-1], '\r'); cr >= 0 {
				return "", &malformed{at: start + cr, rfc: "9112 2.2", text: "a bare CR stands in a line"}
			}
			r.pos = lf + 1
			return string(r.buf[start : lf-1]), nil
		}
		from = len(r.buf)
		if from-r.pos > limit {
			return "", &malformed{at: r.pos, rfc: "9112 2.2", text: fmt.Sprintf("a line does not end within %d bytes", limit)}
		}
		if err := r.fill(deadline); err != nil {
			return "", r.broken("in the middle of a line", err)
		}
	}
}

func (r *reader) broken(where string, err error) error {
	if errors.Is(err, errSilent) {
		return &malformed{at: len(r.buf), rfc: "9112 8", text: "the answer stops " + where + " and the connection stays open"}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errUnannounced) {
		return &malformed{at: len(r.buf), rfc: "9112 8", text: "the connection was closed " + where}
	}
	return &malformed{at: len(r.buf), rfc: "9112 9.6", text: "the connection was reset " + where}
}

// head reads a status line and fields (RFC 9112 4 and 5).
func (r *reader) head(res *Response, deadline time.Time) error {
	line, err := r.line(longestHead, deadline)
	if m := (*malformed)(nil); errors.As(err, &m) && !bytes.HasPrefix(r.buf[res.At:], []byte("HTTP/")) {
		return &malformed{at: res.At, rfc: "9112 4", text: "the answer does not begin with a status line"}
	}
	if err != nil {
		return err
	}
	if len(line) < len("HTTP/1.1 200 ") || line[:7] != "HTTP/1." || !digits(line[7:8]) || line[8] != ' ' || line[12] != ' ' || !digits(line[9:12]) {
		return &malformed{at: res.At, rfc: "9112 4", text: `the status line is not "HTTP/1.1 SP 3DIGIT SP [ reason ]"`}
	}
	res.Minor = int(line[7] - '0')
	res.StatusAt = res.At + 9
	res.Status, _ = strconv.Atoi(line[9:12])
	for {
		at := r.pos
		if at-res.At > longestHead {
			return &malformed{at: at, rfc: "9112 5", text: "the head does not end"}
		}
		line, err := r.line(longestHead, deadline)
		if err != nil || line == "" {
			return err
		}
		f, err := parseField(line, at)
		if err != nil {
			return err
		}
		res.Fields = append(res.Fields, f)
	}
}

func parseField(line string, at int) (Field, error) {
	name, value, found := strings.Cut(line, ":")
	if !found || name == "" {
		return Field{}, &malformed{at: at, rfc: "9112 5", text: "a field line has no name and colon"}
	}
	for i := range len(name) {
		if !tokenChar(name[i]) {
			return Field{}, &malformed{at: at + i, rfc: "9112 5.1", text: fmt.Sprintf("%q stands in a field name", name[i])}
		}
	}
	for i := range len(value) {
		if b := value[i]; b < ' ' && b != '\t' || b == 0x7f {
			return Field{}, &malformed{at: at + len(name) + 1 + i, rfc: "9110 5.5", text: fmt.Sprintf("%q stands in a field value", b)}
		}
	}
	return Field{name, strings.Trim(value, " \t"), at}, nil
}

// body reads what the head announces (RFC 9112 6.3).
func (r *reader) body(res *Response, method string, deadline time.Time) error {
	te, length := res.All("Transfer-Encoding"), res.All("Content-Length")
	switch {
	case len(te) > 0 && len(length) > 0:
		return &malformed{at: length[0].At, on: notBoth, text: "Content-Length stands beside Transfer-Encoding"}
	case len(length) > 1:
		return &malformed{at: length[1].At, on: oneFieldLine, text: "Content-Length stands twice"}
	case len(length) == 1 && !digits(length[0].Value):
		return &malformed{at: length[0].At, rfc: "9110 8.6", text: "Content-Length is not a number"}
	case len(te) > 0 && (len(te) > 1 || !strings.EqualFold(te[0].Value, "chunked")):
		return &malformed{at: te[0].At, rfc: "9112 6.1", text: "the transfer coding is not chunked"}
	}
	res.Chunked = len(te) > 0
	switch {
	case method == "HEAD" || res.Status < 200 || res.Status == 204 || res.Status == 304:
		return nil
	case res.Chunked:
		return r.chunks(res, deadline)
	case len(length) > 0:
		n, err := strconv.Atoi(length[0].Value)
		if err != nil {
			return &malformed{at: length[0].At, rfc: "9110 8.6", text: "Content-Length is no number of bytes"}
		}
		res.Body, err = r.take(n, deadline)
		return err
	}
	res.ToEOF = true
	for {
		if err := r.fill(deadline); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return r.broken("in a body that the close should end", err)
		}
	}
	res.Body, r.pos = r.buf[r.pos:], len(r.buf)
	return nil
}

// take takes the next n bytes. Whenever readStep more of them have come, the next ones may take
// answerWait again: how long a large body takes is the disk's business, and only whoever stops
// sending it, or drips, has failed. The buffer grows once for all of it: under the race detector,
// on a busy machine, moving tens of MiB takes longer than answerWait.
func (r *reader) take(n int, deadline time.Time) ([]byte, error) {
	large := n > readStep && n <= longestAwait
	if large {
		r.reserve(n+readStep, r.pos+n+2*readStep)
	}
	for mark := len(r.buf) + readStep; len(r.buf)-r.pos < n; {
		if err := r.fill(deadline); err != nil {
			return nil, r.broken(plural.Of(n-(len(r.buf)-r.pos), "byte", "bytes")+" before the body's end", err)
		}
		if large && len(r.buf) >= mark {
			mark, deadline = len(r.buf)+readStep, time.Now().Add(answerWait)
		}
	}
	r.pos += n
	return r.buf[r.pos-n : r.pos : r.pos], nil
}

// chunks reads a chunked body and its trailer section (RFC 9112 7.1).
func (r *reader) chunks(res *Response, deadline time.Time) error {
	for {
		at := r.pos
		line, err := r.line(longestTrail, deadline)
		if err != nil {
			return err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(size, 16, 62)
		if err != nil || len(size) > chunkDigits || strings.ContainsAny(size, "+_xX") {
			return &malformed{at: at, rfc: "9112 7.1", text: fmt.Sprintf("%q is no chunk size", line)}
		}
		if n == 0 {
			return r.trailers(deadline)
		}
		data, err := r.take(int(n), deadline)
		if err != nil {
			return err
		}
		res.Chunks, res.Body = append(res.Chunks, int(n)), append(res.Body, data...)
		if line, err = r.line(longestTrail, deadline); err != nil {
			return err
		} else if line != "" {
			return &malformed{at: r.pos - len(line) - 2, rfc: "9112 7.1", text: "no CR LF stands behind a chunk's data"}
		}
	}
}

func (r *reader) trailers(deadline time.Time) error {
	for {
		at := r.pos
		line, err := r.line(longestTrail, deadline)
		if err != nil || line == "" {
			return err
		}
		if _, err := parseField(line, at); err != nil {
			return err
		}
	}
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// tokenChar is RFC 9110 5.6.2's tchar.
func tokenChar(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
