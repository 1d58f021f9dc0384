// Package flawed is a small HTTP/1.1 server with faults to order. It exists to prove
// that the conformance suite finds them: without a flaw the cases named in the
// suite's own test pass, with a flaw the one named for it fails.
//
// It is no model of a server: a goroutine a connection, whole files in memory, and
// only as much of the protocol as those cases need.
package flawed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Flaw is one thing that a Server does wrong.
type Flaw string

// The flaws. Each is what some server once did.
const (
	None Flaw = ""

	OneReadOneRequest    Flaw = "takes what one read returns for a whole request"
	DropsPipelined       Flaw = "forgets what came behind a request"
	WaitsForSecond       Flaw = "answers only once the request behind is whole"
	RunsBehindClose      Flaw = "answers requests behind Connection: close"
	CloseCaseSensitive   Flaw = "knows close in small letters only"
	CloseFirstItemOnly   Flaw = "looks at the first item of Connection only"
	HalfCloseIsGone      Flaw = "hangs up when the client closes its sending half"
	StaysAfterBadLength  Flaw = "keeps the connection after a false length"
	LengthPrefix         Flaw = "takes the digits at the start of a length"
	LengthSign           Flaw = "takes a signed length"
	FirstOfTwoLengths    Flaw = "takes the first of two lengths"
	LengthBesideChunked  Flaw = "goes on after Content-Length beside Transfer-Encoding"
	UnknownCodingIgnored Flaw = "ignores an unknown transfer coding"
	ChunkSizeWraps       Flaw = "lets chunk sizes wrap"
	ChunkEndUnchecked    Flaw = "skips two bytes behind a chunk, whatever they are"
	TrailerUnread        Flaw = "ends a chunked body before its trailer section"
	GetBodyUnread        Flaw = "leaves the body of a GET unread"
	NoContinue           Flaw = "never sends 100"
	HostOptional         Flaw = "does without Host"
	TwoHosts             Flaw = "takes two Hosts"
	SpaceBeforeColon     Flaw = "takes white space before a colon"
	FoldedLines          Flaw = "takes folded lines"
	BareLF               Flaw = "ends lines at LF"
	MethodAnyCase        Flaw = "takes methods in any case"
	VersionAnyCase       Flaw = "takes the version in any case"
	HeadBody             Flaw = "sends a body to HEAD"
	HeadOtherLength      Flaw = "has another length for HEAD"
	NoDate               Flaw = "sends no Date"
	NoDateOnErrors       Flaw = "sends no Date with the parser's errors"
	NoAllow              Flaw = "sends 405 without Allow"
	LFInHead             Flaw = "ends a field line with LF"
	TwoLengths           Flaw = "sends Content-Length twice"
	ShortBody            Flaw = "sends one byte less than it says"
	LongBody             Flaw = "sends a line end behind the body"
	BodyOf304            Flaw = "sends a body with 304"
	NoWeakCompare        Flaw = "compares tags for If-None-Match strongly"
	FirstTagOnly         Flaw = "looks at the first tag of a list only"
	DateBeatsTag         Flaw = "looks at If-Modified-Since beside If-None-Match"
	RangeOffByOne        Flaw = "leaves the last byte of a range out"
	SuffixFromStart      Flaw = "takes a suffix for an end"
	RangeOnHead          Flaw = "honours Range on HEAD"
	IfRangeIgnored       Flaw = "ignores If-Range"
	DotsBeforeDecoding   Flaw = "looks for dots before it decodes"
	RootIsPrefix         Flaw = "takes a sibling that begins like the root for the root"
	DecodesTwice         Flaw = "decodes a path twice"
	FollowsLinks         Flaw = "follows links out of the root"
	OpensFIFO            Flaw = "opens a FIFO"
	UploadKeepsPartial   Flaw = "stores an upload that ended too early"
)

// Server serves a root made by conformance.MakeSite.
type Server struct {
	Root string
	Flaw Flaw
}

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.converse(conn.(*net.TCPConn))
	}
}

// is reports whether the server has that flaw.
func (s *Server) is(f Flaw) bool { return s.Flaw == f }

// request is what was understood of a head.
type request struct {
	method, target string
	minor          int
	fields         [][2]string
	body           []byte
	close          bool
	refusal        int // status of what is wrong with it, 0 for nothing
}

func (r *request) all(name string) (values []string) {
	for _, f := range r.fields {
		if strings.EqualFold(f[0], name) {
			values = append(values, f[1])
		}
	}
	return values
}

func (r *request) get(name string) string { return strings.Join(r.all(name), ", ") }

// answer is what goes back.
type answer struct {
	status int
	fields [][2]string
	body   []byte
}

var errBad = errors.New("the request cannot be framed")

func (s *Server) converse(conn *net.TCPConn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		r, err := s.read(conn, in)
		if err != nil && r == nil {
			return
		}
		if s.is(WaitsForSecond) && in.Buffered() > 0 {
			rest, _ := in.Peek(in.Buffered())
			for !bytes.HasSuffix(rest, []byte("\r\n\r\n")) {
				if _, err := in.Peek(len(rest) + 1); err != nil {
					return
				}
				rest, _ = in.Peek(in.Buffered())
			}
		}
		if s.is(HalfCloseIsGone) && s.peerClosed(conn, in) {
			return
		}
		s.write(conn, r)
		if r.close && !s.is(RunsBehindClose) {
			_ = conn.CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		if s.is(DropsPipelined) {
			_, _ = in.Discard(in.Buffered())
		}
	}
}

func (s *Server) peerClosed(conn *net.TCPConn, in *bufio.Reader) bool {
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer conn.SetReadDeadline(time.Time{})
	_, err := in.Peek(1)
	return errors.Is(err, io.EOF)
}

// read returns a request, or nil where the connection is over.
func (s *Server) read(conn net.Conn, in *bufio.Reader) (*request, error) {
	if s.is(OneReadOneRequest) {
		if _, err := in.Peek(1); err != nil {
			return nil, err
		}
		if all, _ := in.Peek(in.Buffered()); !bytes.Contains(all, []byte("\r\n\r\n")) {
			return &request{method: "GET", refusal: 400, close: true}, errBad
		}
	}
	r := &request{}
	line, err := s.line(in)
	for err == nil && line == "" {
		line, err = s.line(in)
	}
	if err == nil {
		err = s.requestLine(r, line)
	}
	for err == nil {
		if line, err = s.line(in); err != nil || line == "" {
			break
		}
		err = s.field(r, line)
	}
	if err == nil {
		err = s.frame(conn, in, r)
	}
	if errors.Is(err, errBad) {
		if r.refusal == 0 {
			r.refusal = 400
		}
		r.close = !s.is(StaysAfterBadLength)
		return r, err
	}
	if err != nil {
		return nil, err
	}
	s.connection(r)
	return r, nil
}

func (s *Server) line(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(line, "\r\n") && !s.is(BareLF) {
		return "", errBad
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if strings.ContainsAny(line, "\r\x00") {
		return "", errBad
	}
	return line, nil
}

func (s *Server) requestLine(r *request, line string) error {
	words := strings.Split(line, " ")
	if len(words) != 3 {
		return errBad
	}
	r.method, r.target = words[0], words[1]
	if s.is(MethodAnyCase) {
		r.method = strings.ToUpper(r.method)
	}
	if s.is(VersionAnyCase) {
		words[2] = strings.ToUpper(words[2])
	}
	switch words[2] {
	case "HTTP/1.1":
		r.minor = 1
	case "HTTP/1.0":
		r.close = true
	default:
		return errBad
	}
	return nil
}

func (s *Server) field(r *request, line string) error {
	if (line[0] == ' ' || line[0] == '\t') && s.is(FoldedLines) && len(r.fields) > 0 {
		r.fields[len(r.fields)-1][1] += " " + strings.TrimSpace(line)
		return nil
	}
	name, value, found := strings.Cut(line, ":")
	if s.is(SpaceBeforeColon) {
		name = strings.TrimRight(name, " \t")
	}
	if !found || name == "" || strings.ContainsAny(name, " \t") {
		return errBad
	}
	r.fields = append(r.fields, [2]string{name, strings.Trim(value, " \t")})
	return nil
}

// frame reads the body.
func (s *Server) frame(conn net.Conn, in *bufio.Reader, r *request) error {
	hosts := len(r.all("Host"))
	if hosts == 0 && r.minor == 1 && !s.is(HostOptional) || hosts > 1 && !s.is(TwoHosts) {
		return errBad
	}
	coding, lengths := r.get("Transfer-Encoding"), r.all("Content-Length")
	if coding != "" && len(lengths) > 0 && !s.is(LengthBesideChunked) {
		return errBad
	}
	if coding != "" && !strings.EqualFold(coding, "chunked") {
		if !s.is(UnknownCodingIgnored) {
			return errBad
		}
		coding = ""
	}
	if strings.EqualFold(r.get("Expect"), "100-continue") && in.Buffered() == 0 && !s.is(NoContinue) {
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	if s.is(GetBodyUnread) && r.method == "GET" {
		return nil
	}
	if coding != "" {
		return s.chunks(in, r)
	}
	if len(lengths) == 0 {
		return nil
	}
	if len(lengths) > 1 && !s.is(FirstOfTwoLengths) {
		return errBad
	}
	n, err := s.length(lengths[0])
	if err != nil {
		return err
	}
	r.body = make([]byte, n)
	got, err := io.ReadFull(in, r.body)
	if err != nil && s.is(UploadKeepsPartial) {
		r.body, err = r.body[:got], nil
	}
	return err
}

func (s *Server) length(text string) (int, error) {
	digits := text
	if s.is(LengthPrefix) {
		digits = text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
	}
	if s.is(LengthSign) {
		digits = strings.TrimPrefix(text, "+")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errBad
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > 1<<20 {
		return 0, errBad
	}
	return n, nil
}

func (s *Server) chunks(in *bufio.Reader, r *request) error {
	for {
		line, err := s.line(in)
		if err != nil {
			return err
		}
		digits, _, _ := strings.Cut(line, ";")
		if s.is(ChunkSizeWraps) && len(digits) > 16 {
			digits = digits[len(digits)-16:]
		}
		size, err := strconv.ParseUint(digits, 16, 20)
		if err != nil {
			return errBad
		}
		if size == 0 {
			return s.trailer(in)
		}
		data := make([]byte, size+2)
		if _, err := io.ReadFull(in, data); err != nil {
			return err
		}
		if string(data[size:]) != "\r\n" && !s.is(ChunkEndUnchecked) {
			return errBad
		}
		r.body = append(r.body, data[:size]...)
	}
}

func (s *Server) trailer(in *bufio.Reader) error {
	if s.is(TrailerUnread) {
		_, err := s.line(in)
		return err
	}
	for {
		if line, err := s.line(in); err != nil || line == "" {
			return err
		}
	}
}

func (s *Server) connection(r *request) {
	options := strings.Split(r.get("Connection"), ",")
	if s.is(CloseFirstItemOnly) {
		options = options[:1]
	}
	for _, option := range options {
		option = strings.TrimSpace(option)
		if option == "close" || strings.EqualFold(option, "close") && !s.is(CloseCaseSensitive) {
			r.close = true
		}
	}
}

func (s *Server) write(conn net.Conn, r *request) {
	a := s.answer(r)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nServer: fourways\r\n", a.status, http.StatusText(a.status))
	if !s.is(NoDate) && !(s.is(NoDateOnErrors) && r.refusal != 0) {
		fmt.Fprintf(&b, "Date: %s\r\n", time.Now().UTC().Format(http.TimeFormat))
	}
	if s.is(LFInHead) {
		b.WriteString("X-Line: end\n")
	}
	for _, f := range append(a.fields, [2]string{"X-Content-Type-Options", "nosniff"}) {
		fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
	}
	if r.close {
		b.WriteString("Connection: close\r\n")
	}
	if a.status != 304 {
		s.writeLength(&b, r, len(a.body))
	}
	b.WriteString("\r\n")
	switch {
	case r.method == "HEAD" && !s.is(HeadBody):
	case s.is(ShortBody) && len(a.body) > 0:
		b.Write(a.body[1:])
	default:
		b.Write(a.body)
	}
	if s.is(LongBody) {
		b.WriteString("\r\n")
	}
	_, _ = conn.Write(b.Bytes())
}

func (s *Server) writeLength(b *bytes.Buffer, r *request, n int) {
	if s.is(HeadOtherLength) && r.method == "HEAD" {
		n = 0
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n", n)
	if s.is(TwoLengths) {
		fmt.Fprintf(b, "Content-Length: %d\r\n", n)
	}
}

func failure(status int, fields ...[2]string) answer {
	return answer{status, append(fields, [2]string{"Content-Type", "text/html"}), fmt.Appendf(nil, "<h1>%d</h1>", status)}
}

func (s *Server) answer(r *request) answer {
	switch {
	case r.refusal != 0:
		return failure(r.refusal)
	case r.method == "POST" && r.target == "/upload":
		return s.upload(r)
	case r.method == "PUT" && s.is(NoAllow):
		return failure(405)
	case r.method == "PUT":
		return failure(405, [2]string{"Allow", "GET, HEAD"})
	case r.method != "GET" && r.method != "HEAD":
		return failure(501)
	}
	path, status := s.resolve(r.target)
	if status != 0 {
		return failure(status)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return failure(404)
	}
	return s.file(r, path, body)
}

// resolve turns a target into a path, or a status that refuses it.
func (s *Server) resolve(target string) (path string, status int) {
	target, _, _ = strings.Cut(target, "?")
	decoded, err := url.PathUnescape(target)
	if err != nil || !strings.HasPrefix(decoded, "/") {
		return "", 400
	}
	if s.is(DecodesTwice) {
		decoded, _ = url.PathUnescape(decoded)
	}
	checked := decoded
	if s.is(DotsBeforeDecoding) || s.is(DecodesTwice) {
		checked = target
	}
	if slices.Contains(strings.Split(checked, "/"), "..") && !s.is(RootIsPrefix) {
		return "", 403
	}
	path = filepath.Join(s.Root, decoded)
	if s.is(RootIsPrefix) && !strings.HasPrefix(path, s.Root) {
		return "", 403
	}
	if real, err := filepath.EvalSymlinks(path); err == nil && !s.is(FollowsLinks) && !s.is(RootIsPrefix) && !s.is(DotsBeforeDecoding) && !s.is(DecodesTwice) && !strings.HasPrefix(real, s.Root+"/") {
		return "", 403
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() && !s.is(OpensFIFO) {
		return "", 404
	}
	return path, 0
}

// file answers with a file's bytes, its conditions and its ranges.
func (s *Server) file(r *request, path string, body []byte) answer {
	info, err := os.Stat(path)
	if err != nil {
		return failure(404)
	}
	tag := fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), len(body))
	modified := info.ModTime().UTC().Format(http.TimeFormat)
	kind := "application/octet-stream"
	if strings.HasSuffix(path, ".html") {
		kind = "text/html; charset=utf-8"
	}
	a := answer{200, [][2]string{{"ETag", tag}, {"Last-Modified", modified}, {"Content-Type", kind}, {"Accept-Ranges", "bytes"}}, body}
	if s.notModified(r, tag, modified) {
		a.status = 304
		if !s.is(BodyOf304) {
			a.body = nil
		}
		return a
	}
	return s.part(r, a, tag)
}

func (s *Server) notModified(r *request, tag, modified string) bool {
	since := r.get("If-Modified-Since")
	list := r.get("If-None-Match")
	if list == "" || s.is(DateBeatsTag) && since != "" {
		return since == modified
	}
	for i, item := range strings.Split(list, ",") {
		item = strings.TrimSpace(item)
		if i > 0 && s.is(FirstTagOnly) {
			return false
		}
		if !s.is(NoWeakCompare) {
			item = strings.TrimPrefix(item, "W/")
		}
		if item == tag || item == "*" {
			return true
		}
	}
	return false
}

// part cuts a single range out of an answer.
func (s *Server) part(r *request, a answer, tag string) answer {
	var from, to int
	spec, found := strings.CutPrefix(r.get("Range"), "bytes=")
	if !found || r.method == "HEAD" && !s.is(RangeOnHead) {
		return a
	}
	if condition := r.get("If-Range"); condition != "" && condition != tag && !s.is(IfRangeIgnored) {
		return a
	}
	if n, err := fmt.Sscanf(spec, "%d-%d", &from, &to); n == 1 && err != nil && from >= 0 {
		to = len(a.body) - 1
	} else if n == 1 && from < 0 && !s.is(SuffixFromStart) {
		from, to = len(a.body)+from, len(a.body)-1
	} else if n == 1 {
		from, to = 0, -from
	} else if n != 2 {
		return a
	}
	if from > to || to >= len(a.body) {
		return a
	}
	a.status = 206
	a.fields = append(a.fields, [2]string{"Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(a.body))})
	if s.is(RangeOffByOne) {
		to--
	}
	a.body = a.body[from : to+1]
	return a
}

// upload answers as if it had stored the body.
func (s *Server) upload(r *request) answer {
	const name = "/uploads/upload_20240315_123456_a7b9.json"
	body := `{"status":"success","message":"File created successfully","filepath":"` + name + `"}`
	return answer{201, [][2]string{{"Location", name}, {"Content-Type", "application/json"}}, []byte(body)}
}
