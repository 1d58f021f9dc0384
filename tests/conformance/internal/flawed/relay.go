package flawed

// A relay stands between the suite and a sound server, and spoils what passes. One edit
// of its can prove of hundreds of cases that they can fail, whereas a flaw of the Server
// proves it of the few that are about that part of the protocol.
//
// A relay reads the server's answers as far as it must to find their heads and bodies. It
// does not know which request an answer is for, so it takes the bytes after a head for a
// body only where they do not begin another head: that is how an answer to HEAD looks.

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Edit is what a relay does to the stream. Its fields can be combined.
type Edit struct {
	Name string // what the server seems to do, as a verb: "answers with another status"

	Head    func(h *Head) (insert string) // edits the head of each answer, and returns what is sent before its body
	Body    func(b []byte)                // edits each piece of a body in place
	Extra   bool                          // an answer that nobody asked for comes before each further one, and before the end
	Endless bool                          // bytes without end come instead of the end
	Closes  bool                          // the connection is closed after the first answer that has a body
}

// extra is the answer of Edit.Extra.
const extra = "HTTP/1.1 200 OK\r\nServer: fourways\r\nContent-Length: 0\r\n\r\n"

// Head is the head of an answer.
type Head struct {
	Status string      // three digits
	Fields [][2]string // names and values
}

// Get returns the value of a field, or "".
func (h *Head) Get(name string) string {
	for _, f := range h.Fields {
		if strings.EqualFold(f[0], name) {
			return f[1]
		}
	}
	return ""
}

// Add adds a field, unless there is one of that name.
func (h *Head) Add(name, value string) {
	if h.Get(name) == "" {
		h.Fields = append(h.Fields, [2]string{name, value})
	}
}

// Set gives a field that value, and adds it where it is not.
func (h *Head) Set(name, value string) {
	h.Drop(func(n string) bool { return strings.EqualFold(n, name) })
	h.Add(name, value)
}

// Drop removes the fields that drop accepts.
func (h *Head) Drop(drop func(name string) bool) {
	h.Fields = slices.DeleteFunc(h.Fields, func(f [2]string) bool { return drop(f[0]) })
}

// Relay passes connections on to a server.
type Relay struct {
	To   string // host:port
	Edit Edit
}

// Serve accepts connections until the listener is closed.
func (r *Relay) Serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go r.pass(conn.(*net.TCPConn))
	}
}

// pass relays one connection: both directions, half-closes, and resets.
func (r *Relay) pass(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", r.To)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	// What lies in a relay is for the server as good as read: little may.
	_ = server.SetReadBuffer(relayBuffer)
	_ = client.SetWriteBuffer(relayBuffer)
	var both sync.WaitGroup
	both.Go(func() { r.requests(server, client) })
	both.Go(func() { r.answers(client, server) })
	both.Wait()
}

// relayBuffer bounds each of the buffers that a relay adds between server and client, in bytes.
const relayBuffer = 128 << 10

// requests passes on what the client sends, and its end.
func (r *Relay) requests(server, client *net.TCPConn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := client.Read(buf)
		if _, broken := server.Write(buf[:n]); broken != nil {
			return
		}
		if err == io.EOF {
			_ = server.CloseWrite()
			return
		} else if err != nil {
			_ = server.SetLinger(0) // the client is gone: so are we
			_ = server.Close()
			return
		}
	}
}

// answers passes on what the server sends, edited, and its end. The client's direction
// ends with it, for its reader waits for a client that has been answered for good.
func (r *Relay) answers(client, server *net.TCPConn) {
	s := &stream{edit: &r.Edit}
	buf := make([]byte, 16<<10)
	for {
		n, err := server.Read(buf)
		if out := s.take(buf[:n]); len(out) > 0 {
			if _, broken := client.Write(out); broken != nil {
				return
			}
		}
		if err == nil && !s.ended {
			continue
		}
		if r.Edit.Extra {
			_, _ = io.WriteString(client, extra)
		}
		if r.Edit.Endless {
			floodUntilGone(client)
		}
		if err != nil && err != io.EOF {
			_ = client.SetLinger(0)
			_ = client.Close()
			return
		}
		_ = client.CloseWrite()
		_ = client.SetReadDeadline(time.Now().Add(lingerTime))
		return
	}
}

// floodUntilGone writes until the client closes its socket, but no more than floodSize.
func floodUntilGone(client *net.TCPConn) {
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for sent := 0; sent < floodSize; sent += len(piece) {
		if _, err := client.Write(piece); err != nil {
			return
		}
	}
}

// floodSize is more than any case reads, in bytes.
const floodSize = 256 << 20

// lingerTime is how long a client may send on once its answers have ended.
const lingerTime = 2 * time.Second

// where a stream is.
type place uint8

const (
	inHead    place = iota
	afterHead       // a body may follow, or the next head
	inBody          // left more bytes of it
	inSize          // in the line of a chunk's size
	inData          // left more bytes of a chunk and its line end
	inTrailer       // in the lines after the last chunk
	toEnd           // in a body that ends with the connection
)

// stream follows the answers of one connection.
type stream struct {
	edit  *Edit
	at    place
	next  place // after afterHead
	left  int
	text  []byte // of a head or line that is not whole yet
	heads int
	ended bool // what comes is dropped
}

// take returns what goes on of a piece of the stream.
func (s *stream) take(b []byte) (out []byte) {
	for len(b) > 0 && !s.ended {
		n, piece := s.step(b)
		b, out = b[n:], append(out, piece...)
	}
	return out
}

// step consumes some bytes and returns what goes on in their place.
func (s *stream) step(b []byte) (n int, out []byte) {
	before := s.at
	defer func() {
		if s.at == inHead && before > afterHead {
			s.ended = s.edit.Closes
		}
	}()
	switch s.at {
	case afterHead:
		s.at = s.next
		if bytes.HasPrefix(b, []byte("HTTP/1.")) {
			s.at = inHead
		}
		return 0, nil
	case inHead:
		n, head := s.until(b, "\r\n\r\n")
		if head == nil {
			return n, nil
		}
		return n, s.head(head)
	case inBody, inData:
		n = min(s.left, len(b))
		data := n
		if s.at == inData {
			data = max(0, min(n, s.left-2)) // the line end is not data
		}
		out = s.body(b[:data], b[data:n])
		if s.left -= n; s.left == 0 {
			s.at = map[place]place{inBody: inHead, inData: inSize}[s.at]
		}
		return n, out
	case inSize:
		n, line := s.until(b, "\r\n")
		if line != nil {
			digits, _, _ := strings.Cut(strings.TrimSpace(string(line)), ";")
			size, _ := strconv.ParseInt(digits, 16, 32)
			s.at, s.left = inData, int(size)+2
			if size == 0 {
				s.at = inTrailer
			}
		}
		return n, line
	case inTrailer:
		n, line := s.until(b, "\r\n")
		if len(line) == 2 {
			s.at = inHead
		}
		return n, line
	}
	return len(b), s.body(b, nil)
}

func (s *stream) body(data, rest []byte) []byte {
	out := append(slices.Clone(data), rest...)
	if s.edit.Body != nil {
		s.edit.Body(out[:len(data)])
	}
	return out
}

// until collects bytes up to an end, and returns all of them once it is there.
func (s *stream) until(b []byte, end string) (n int, whole []byte) {
	before := len(s.text)
	s.text = append(s.text, b...)
	i := bytes.Index(s.text, []byte(end))
	if i < 0 {
		return len(b), nil
	}
	whole = s.text[:i+len(end)]
	n = len(whole) - before
	s.text = nil
	return n, whole
}

// head edits a head. What follows it is known by what the server sent, not by the edit.
func (s *stream) head(text []byte) []byte {
	lines := strings.Split(strings.TrimSuffix(string(text), "\r\n\r\n"), "\r\n")
	version, status, _ := strings.Cut(lines[0], " ")
	status, reason, _ := strings.Cut(status, " ")
	h := &Head{Status: status}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		h.Fields = append(h.Fields, [2]string{name, strings.TrimSpace(value)})
	}
	interim := strings.HasPrefix(status, "1")
	s.follow(h, interim)
	insert := ""
	if s.edit.Head != nil && !interim {
		insert = s.edit.Head(h)
	}
	var out strings.Builder
	if s.edit.Extra && s.heads > 0 {
		out.WriteString(extra)
	}
	out.WriteString(version + " " + h.Status + " " + reason + "\r\n")
	for _, f := range h.Fields {
		out.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	out.WriteString("\r\n")
	if !interim {
		s.heads++
		out.WriteString(insert)
	}
	return []byte(out.String())
}

// follow finds out what comes after a head (RFC 9112 6.3).
func (s *stream) follow(h *Head, interim bool) {
	length, _ := strconv.Atoi(h.Get("Content-Length"))
	s.at = afterHead
	switch {
	case interim || h.Status == "204" || h.Status == "304":
		s.at = inHead
	case h.Get("Transfer-Encoding") != "":
		s.next = inSize
	case length > 0:
		s.next, s.left = inBody, length
	case h.Get("Content-Length") != "":
		s.at = inHead
	default:
		s.next = toEnd
	}
}
