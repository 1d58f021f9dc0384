package secure

// The connection that crypto/tls believes it has: memory on both sides.
//
// It never waits. What has come is handed over by whole records, so that the library has no reason
// to keep a part of one in a buffer of its own. What the library writes is taken, all of it and
// always, because an error of a write is for ever. Where nothing is left to read, an established
// connection is told to come back (the one error that crypto/tls does not keep is one that is
// Temporary), and a handshake is suspended.
//
// What must not be done: Read and Write of a handshake run in Work, so they may not touch the
// chain, whose memory is the thread's. They have the flight for that.

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"fourways/shared/bufpool"
	"fourways/shared/chain"
)

// pipe is a net.Conn in memory.
type pipe struct {
	in       []byte // the pool's; nil while nothing is here
	at, have int    // in[at:have] has come and is not handed over
	record   int    // bytes of the record that is being handed over
	records  int64  // that were handed over, that one included
	eof      bool   // nothing more will come
	peer     netip.AddrPort

	out    *chain.Chain
	flight []byte              // what a handshake has written
	yield  func(struct{}) bool // suspends the handshake; nil when there is none
	mute   bool                // what is written is dropped
}

// later is what an established connection reads where nothing is left.
type later struct{}

func (later) Error() string   { return "secure: nothing has come" }
func (later) Temporary() bool { return true }
func (later) Timeout() bool   { return true }

var (
	errLater     net.Error = later{}
	errAbandoned           = errors.New("secure: the handshake is given up")
)

// free is where what comes is to be read into.
func (p *pipe) free(pool *bufpool.Pool) []byte {
	if p.in == nil {
		p.in = pool.Get()
	}
	if p.at > 0 {
		p.have = copy(p.in, p.in[p.at:p.have])
		p.at = 0
	}
	return p.in[p.have:]
}

// release gives the buffer back if nothing is in it, or all the same.
func (p *pipe) release(pool *bufpool.Pool, all bool) {
	if p.in != nil && (all || p.at == p.have) {
		pool.Put(p.in)
		p.in, p.at, p.have, p.record = nil, 0, 0, 0
	}
}

// waiting is what has come and is not handed over.
func (p *pipe) waiting() []byte { return p.in[p.at:p.have] }

// full reports whether there is no room for more.
func (p *pipe) full() bool { return p.in != nil && p.have-p.at == len(p.in) }

// whole reports whether a record can be handed over. One that claims to be longer than any may be
// is handed over as far as its header, for the library to refuse.
func (p *pipe) whole() bool { return p.record > 0 || p.next() > 0 }

// next is the length of the record at the front, 0 while some of it is missing.
func (p *pipe) next() int {
	b := p.waiting()
	if len(b) < recordHeader {
		return 0
	}
	n := recordHeader + int(binary.BigEndian.Uint16(b[3:]))
	switch {
	case n > maxRecord:
		return recordHeader
	case n > len(b):
		return 0
	}
	return n
}

// Read hands over some of one record.
func (p *pipe) Read(b []byte) (int, error) {
	for p.record == 0 {
		if p.record = p.next(); p.record > 0 {
			p.records++
			break
		}
		switch {
		case p.yield == nil:
			return 0, errLater
		case p.eof:
			return 0, io.EOF
		case !p.yield(struct{}{}):
			return 0, errAbandoned
		}
	}
	n := copy(b, p.in[p.at:p.at+p.record])
	p.at += n
	p.record -= n
	return n, nil
}

// Write takes everything.
func (p *pipe) Write(b []byte) (int, error) {
	switch {
	case p.mute:
	case p.yield != nil:
		p.flight = append(p.flight, b...)
	default:
		p.out.Copy(b)
	}
	return len(b), nil
}

// Close has nothing to do: the socket is the driver's.
func (p *pipe) Close() error { return nil }

// LocalAddr is not known.
func (p *pipe) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is for whoever chooses a configuration by it.
func (p *pipe) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(p.peer) }

// Deadlines are the machine's business.
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
