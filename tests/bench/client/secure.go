//go:build linux

package client

// Clients by TLS: what a connection must come to, and the load that is made of them.
//
// Each connection belongs to one goroutine, and all of them share what they do not change: [Terms].
// What must not be done: no request may be counted on a connection that came to other terms, or
// whose answer is not the whole file. The figures of two servers would then be of different work.

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// takeSize is how many bytes of an answer are taken at once. A record has 16 KiB at most.
const takeSize = 32 << 10

// Terms are what a connection by TLS must come to.
type Terms struct {
	Version uint16      // tls.VersionTLS12 or tls.VersionTLS13
	Group   tls.CurveID // of the key exchange
	Resume  bool        // a connection after the first resumes the session of the one before
	Leaf    []byte      // the server's certificate, in DER
}

// Config is for connections to a server. They are to be checked once their handshake is over.
func (t *Terms) Config(addr netip.AddrPort) *tls.Config {
	c := &tls.Config{
		ServerName:         addr.Addr().String(), // an address is not sent (RFC 6066 3)
		MinVersion:         t.Version,
		MaxVersion:         t.Version,
		CurvePreferences:   []tls.CurveID{t.Group},
		CipherSuites:       []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, // of TLS 1.2
		InsecureSkipVerify: true,                                                  // Check knows the certificate
	}
	if t.Version == tls.VersionTLS12 { // there the groups are also the curves of certificates (RFC 8422 5.1.1)
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveP256)
	}
	if t.Resume {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return c
}

// Check compares what was agreed on with the terms. All servers must use one cipher, or the
// ciphers are measured.
func (t *Terms) Check(s tls.ConnectionState) error {
	suite := tls.TLS_AES_128_GCM_SHA256
	if t.Version == tls.VersionTLS12 {
		suite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	}
	switch {
	case s.Version != t.Version:
		return fmt.Errorf("%s was agreed on, not %s", tls.VersionName(s.Version), tls.VersionName(t.Version))
	case s.CipherSuite != suite:
		return fmt.Errorf("the cipher is %s, not %s", tls.CipherSuiteName(s.CipherSuite), tls.CipherSuiteName(suite))
	case s.CurveID != t.Group: // a resumed session of TLS 1.2 has that of its beginning
		return fmt.Errorf("the group is %v, not %v", s.CurveID, t.Group)
	case len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, t.Leaf):
		return errors.New("the server shows another certificate than it was given")
	}
	return nil
}

// Ask is a load by TLS.
type Ask struct {
	Addr   netip.AddrPort
	Path   string
	Size   int64 // bytes of its body; an answer of another length is an error
	Conns  int   // at a time
	Closes bool  // a new connection for each request
	Terms  Terms
	For    time.Duration
}

// Asked is what a load came to. All of it came after the first request of each connection.
type Asked struct {
	Drained         // its bodies arrived whole
	Connections int `json:"connections"` // new ones
	Resumed     int `json:"resumed"`     // of these
}

// Run makes one request on each connection, which a session to resume comes from, writes a line
// when all are answered, and waits until start ends. Then the load begins. Where sessions are to be
// resumed and one was not, Run fails.
func (a Ask) Run(says io.Writer, start io.Reader) (Asked, error) {
	askers := make([]*asker, a.Conns)
	each := func(do func(*asker) error) error {
		errs := make([]error, len(askers))
		var all sync.WaitGroup
		for i, k := range askers {
			all.Go(func() { errs[i] = do(k) })
		}
		all.Wait()
		return cmp.Or(errs...)
	}
	for i := range askers {
		askers[i] = newAsker(&a)
		defer askers[i].close()
	}
	if err := each((*asker).one); err != nil {
		return Asked{}, err
	}
	fmt.Fprintln(says, Ready)
	io.Copy(io.Discard, start)
	began := time.Now()
	end := began.Add(a.For)
	err := each(func(k *asker) error { return k.run(end) })
	return sum(askers, time.Since(began)), err
}

// sum is what all connections did together.
func sum(askers []*asker, elapsed time.Duration) (s Asked) {
	s.Elapsed = elapsed
	var took []time.Duration
	for _, k := range askers {
		s.Bytes += k.ask.Size * int64(len(k.took))
		s.Connections += k.connections
		s.Resumed += k.resumed
		took = append(took, k.took...)
	}
	s.rank(took)
	return s
}

// asker is one connection after the other, or one alone. It belongs to its goroutine.
type asker struct {
	ask     *Ask
	config  *tls.Config
	request []byte
	buf     []byte
	conn    *tls.Conn // nil between two connections

	took                 []time.Duration
	connections, resumed int
}

func newAsker(a *Ask) *asker {
	k := &asker{ask: a, config: a.Terms.Config(a.Addr), request: request(a.Addr, a.Path), buf: make([]byte, takeSize)}
	if a.Closes {
		k.request = fmt.Appendf(k.request[:len(k.request)-2], "Connection: close\r\n\r\n")
	}
	return k
}

func (k *asker) close() {
	if k.conn != nil {
		k.conn.Close()
		k.conn = nil
	}
}

// run goes on until the end, and counts what it does.
func (k *asker) run(end time.Time) error {
	k.connections, k.resumed = 0, 0
	for time.Now().Before(end) {
		began := time.Now()
		if err := k.one(); err != nil {
			return err
		}
		k.took = append(k.took, time.Since(began))
	}
	if k.ask.Terms.Resume && k.resumed < k.connections {
		return fmt.Errorf("of %d connections only %d resumed their session", k.connections, k.resumed)
	}
	return nil
}

// one makes one request, on a new connection where there is none.
func (k *asker) one() error {
	if k.conn == nil {
		if err := k.dial(); err != nil {
			return err
		}
	}
	if err := exchange(k.conn, k.request, k.buf, k.ask.Size); err != nil {
		return err
	}
	if !k.ask.Closes {
		return nil
	}
	if n, err := k.conn.Read(k.buf); n > 0 || err != io.EOF { // which is close_notify (RFC 8446 6.1)
		return fmt.Errorf("after the answer, where close_notify should be: %d bytes, %w", n, err)
	}
	k.close()
	return nil
}

func (k *asker) dial() error {
	d := net.Dialer{Timeout: patience}
	c, err := d.Dial("tcp", k.ask.Addr.String())
	if err != nil {
		return err
	}
	k.conn = tls.Client(c, k.config)
	k.conn.SetDeadline(time.Now().Add(k.ask.For + patience))
	if err := k.conn.Handshake(); err != nil {
		return err
	}
	state := k.conn.ConnectionState()
	k.connections++
	if state.DidResume {
		k.resumed++
	}
	return k.ask.Terms.Check(state)
}

// exchange sends a request and takes its answer, whose body must have so many bytes.
func exchange(c io.ReadWriter, request, buf []byte, size int64) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	got, err := takeHead(c, buf, size)
	for err == nil && got < size {
		var n int
		if n, err = c.Read(buf); n > 0 {
			got, err = got+int64(n), nil // what ended it is said again by the next read
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("after %d of %d bytes: %w", got, size, err)
	case got > size:
		return fmt.Errorf("%d bytes more than the answer has", got-size)
	}
	return nil
}

// takeHead reads a response's head, which must promise so many bytes, and returns how many of them
// came with it.
func takeHead(c io.Reader, buf []byte, size int64) (int64, error) {
	for used := 0; used < len(buf); {
		n, err := c.Read(buf[used:])
		if n == 0 {
			return 0, err
		}
		used += n
		head, rest, ok := bytes.Cut(buf[:used], []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		length, err := contentLength(head)
		if err == nil && length != size {
			err = fmt.Errorf("Content-Length is %d, not %d", length, size)
		}
		return int64(len(rest)), err
	}
	return 0, errors.New("no end of the response's head")
}

// wire is a blocking socket as crypto/tls wants to have it. Its patience is the socket's own.
type wire struct{ conn }

func (w wire) Read(p []byte) (int, error) { return w.receive(p, 0) }

func (w wire) Write(p []byte) (int, error) { return len(p), w.send(p) }

func (w wire) Close() error { return unix.Close(w.fd) }

func (wire) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (wire) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (wire) SetDeadline(time.Time) error      { return nil }
func (wire) SetReadDeadline(time.Time) error  { return nil }
func (wire) SetWriteDeadline(time.Time) error { return nil }

// secured makes one request by TLS on a connection. What TLS knows of it is then forgotten, so that
// thousands of them can be held: nothing is said on them any more.
func (c conn) secured(a *Ask) error {
	t := tls.Client(wire{c}, a.Terms.Config(a.Addr))
	if err := t.Handshake(); err != nil {
		return err
	}
	if err := a.Terms.Check(t.ConnectionState()); err != nil {
		return err
	}
	return exchange(t, request(a.Addr, a.Path), make([]byte, takeSize), a.Size)
}
