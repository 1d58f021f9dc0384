package conformance

// The way to a server: TCP, or TLS on it. What the judge thinks of a certificate would say nothing
// of HTTP; so it takes any.

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// duplex is what the bytes of a case go through: TCP, or TLS, whose close_notify is
// the end of the sending half.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// dial connects to the server at an address, and shakes hands where it speaks TLS. Beneath the
// connection returned is tcp.
func (s *server) dial(addr string) (conn duplex, tcp *net.TCPConn, err error) {
	plain, err := net.DialTimeout("tcp", addr, answerWait)
	if err != nil {
		return nil, nil, err
	}
	tcp = plain.(*net.TCPConn)
	if !s.secure {
		return tcp, tcp, nil
	}
	over := tls.Client(beneath{tcp}, &tls.Config{
		InsecureSkipVerify: true,
		ServerName:         "localhost",
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: s.sessions,
	})
	patience, cancel := context.WithTimeout(context.Background(), answerWait)
	defer cancel()
	if err := over.HandshakeContext(patience); err != nil {
		_ = tcp.Close()
		return nil, nil, fmt.Errorf("%s does not speak TLS (%w)", addr, err)
	}
	return over, tcp, nil
}

// errUnannounced is the end of a connection of TLS without close_notify (RFC 8446 6.1).
var errUnannounced = errors.New("the connection ended without close_notify")

// beneath is what carries TLS. crypto/tls reads no further than close_notify, and takes the end of
// TCP for the end of what is sent where one record is complete: a judge does not.
type beneath struct{ *net.TCPConn }

func (b beneath) Read(p []byte) (int, error) {
	n, err := b.TCPConn.Read(p)
	if errors.Is(err, io.EOF) {
		err = errUnannounced
	}
	return n, err
}
