package conformance

// Whether there is anybody to judge. What is found here is told in one line, before the first case:
// a wrong address, command or root would fail every case, and none of them would say why. What must
// not be done: a server must not be turned away here for a fault that a case can tell.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server that serves many connections at once takes for a small file beside
// a connection that says nothing. Where it is longer, cases are played one at a time.
const patience = time.Second

// sitePaths are the files that nearly every case asks for. Asked for first, they are at hand
// while a server is busy with a case's one connection.
var sitePaths = []string{sample, probePath, "/logo.png", "/contact.html"}

// Reach starts the server, if that is not done, and says in one line why it cannot be judged, or
// nil. With site it must serve the sample site.
func (s *Suite) Reach(site bool) error {
	server, err := s.server(Default)
	if err != nil {
		return err
	}
	for i, path := range sitePaths {
		r, err := server.ref(path)
		if i == 0 || site {
			if why := server.unreachable(path, err); why != nil {
				return why
			}
		}
		if site && err == nil {
			if what := server.notSite(path, r); what != "" {
				return fmt.Errorf("%s does not serve %s: GET %s is answered with %s", s.target.Name, s.siteName(), path, what)
			}
		}
	}
	for _, path := range []string{"/", "/index.html"} { // a server may redirect from these
		_, _ = server.ref(path)
	}
	if server.servesOne() {
		s.mu.Lock()
		s.serial = true
		s.mu.Unlock()
		server.slots = make(chan struct{}, 1)
	}
	return nil
}

// Serial reports whether Reach has found that the server serves one connection at a time.
func (s *Suite) Serial() bool { return s.serial }

// siteName is what the server ought to serve, and how one comes by it.
func (s *Suite) siteName() string {
	switch {
	case s.target.Addr == "":
		return "the folder {root}"
	case s.root != "":
		return "the folder " + s.root
	}
	return "the sample site (-write-site makes one)"
}

// unreachable turns the failure of a first request into a reason not to judge. An answer that is
// malformed is none: that is what the cases are about.
func (s *server) unreachable(path string, err error) error {
	var m *malformed
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens at %s", s.addr)
	case errors.Is(err, errSilent):
		return fmt.Errorf("%s does not answer GET %s within %v", s.addr, path, answerWait)
	case errors.Is(err, errClosed):
		return fmt.Errorf("%s closes the connection without an answer to GET %s", s.addr, path)
	case errors.As(err, &m):
		if first := s.firstBytes(path); !bytes.HasPrefix(first, []byte("HTTP/")) {
			return fmt.Errorf("%s does not speak HTTP: it answers GET %s with %q", s.addr, path, first)
		}
		return nil
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Errorf("%s: %s", s.addr, dns.Err)
	}
	return err
}

// firstBytes is how the answer to a GET begins.
func (s *server) firstBytes(path string) []byte {
	conn, _, err := s.dial(s.addr)
	if err != nil {
		return nil
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, get(path))
	_ = conn.SetReadDeadline(time.Now().Add(answerWait))
	first := make([]byte, len("HTTP/1.1 200"))
	n, _ := io.ReadFull(conn, first)
	return first[:n]
}

// notSite says what is wrong with the answer to a path of the sample site, or "".
func (s *server) notSite(path string, r *Response) string {
	if r.Status != 200 {
		return fmt.Sprintf("%d", r.Status)
	}
	if path == sample && len(r.Body) < shortestSample {
		return fmt.Sprintf("%d bytes, and %d are the least", len(r.Body), shortestSample)
	}
	if s.root == "" || r.Has("Content-Encoding") {
		return ""
	}
	file, err := os.ReadFile(s.inRoot(path))
	if err == nil && !bytes.Equal(file, r.Body) {
		return "other bytes than the file has"
	}
	return ""
}

// servesOne reports whether a connection that says nothing keeps others from being served.
func (s *server) servesOne() bool {
	idle, _, err := s.dial(s.addr)
	if err != nil {
		return false
	}
	defer idle.Close()
	conn, _, err := s.dial(s.addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, strings.Replace(probe, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	in := reader{conn: conn}
	_, err = in.response("GET", time.Now().Add(patience))
	return errors.Is(err, errSilent)
}
