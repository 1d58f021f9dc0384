package http1

// The sender: one message as bytes in a chain. Like the receiver it does not know whether it sends
// requests or answers: head.go writes the heads of answers, client.go those of requests, and what
// follows a head is framed here.
//
// What must not be done is in the table of states, which [sender.send] asserts: a body before
// its head, a second final head, an end that comes before what was announced.

import (
	"strconv"

	"fourways/shared/chain"
)

// sender is the sending half of a connection.
type sender struct {
	out chain.Chain

	tx      txState
	sized   bool  // the message has a Content-Length
	chunked bool  // the message is chunked
	noBody  bool  // the message has a head only
	owed    int64 // bytes of a sized body not yet put into the chain
	written int64 // bytes of the body put into the chain
	closing bool  // the message announces that the connection will be closed
}

// renew clears the last message, whether or not it was completed.
func (s *sender) renew() {
	s.tx = txIdle
	s.sized, s.chunked, s.noBody, s.owed, s.written = false, false, false, 0, 0
}

// Out is what is to be sent.
func (s *sender) Out() *chain.Chain { return &s.out }

// Sent reports whether the current message is complete. Some of it may still be in the chain.
func (s *sender) Sent() bool { return s.tx == txDone }

// SetClosing makes the next message the connection's last and has its head announce that.
func (s *sender) SetClosing() { s.closing = true }

// Closing reports whether no further message will be sent.
func (s *sender) Closing() bool { return s.closing }

// Written is the number of bytes of the current message's body.
func (s *sender) Written() int64 { return s.written }

// Write appends a copy of p to the message's body. Use it for small bodies: they are sent in the
// same write as their head.
func (s *sender) Write(p []byte) {
	if len(p) == 0 || !s.willSend(int64(len(p))) {
		return
	}
	s.beginChunk(int64(len(p)))
	s.out.Copy(p)
	s.endChunk()
}

// WriteRef appends p itself to the message's body. One reference of ref passes to
// the chain.
func (s *sender) WriteRef(p []byte, ref chain.Ref) {
	if len(p) == 0 || !s.willSend(int64(len(p))) {
		if ref != nil {
			ref.Release()
		}
		return
	}
	s.beginChunk(int64(len(p)))
	s.out.AppendBytes(p, ref)
	s.endChunk()
}

// WriteFile appends n bytes of the file from off on to the message's body. One
// reference of the file passes to the chain.
func (s *sender) WriteFile(f chain.File, off, n int64) {
	if n <= 0 || !s.willSend(n) {
		f.Release()
		return
	}
	s.beginChunk(n)
	s.out.AppendFile(f, off, n)
	s.endChunk()
}

// TakesPipe reports whether a part of the body may be what is in a pipe: all that was written
// before has left, and no chunk has to be put around it.
func (s *sender) TakesPipe() bool {
	return s.tx == txBody && !s.chunked && !s.noBody && s.out.Empty()
}

// WritePipe appends the n bytes in a pipe to the message's body, which TakesPipe. One reference of
// the pipe passes to the chain.
func (s *sender) WritePipe(p chain.Pipe, n int64) {
	s.willSend(n)
	s.out.AppendPipe(p, n)
}

// Finish completes the message.
func (s *sender) Finish() {
	if s.sized && s.owed > 0 && !s.noBody {
		panic("http1: the body is shorter than its Content-Length")
	}
	s.send(txDone) // first: a message that was broken off must not get a last chunk, even if a panic is recovered
	if s.chunked && !s.noBody {
		s.out.Copy(lastChunk)
	}
}

// Delimited reports whether a receiver can tell by the current message alone where it ends, and so
// whether it is complete (RFC 9112 6.3 and 8): also where none has begun.
func (s *sender) Delimited() bool { return s.tx == txIdle || s.sized || s.chunked || s.noBody }

// Break gives up a message whose head is written and whose body cannot be completed. What is in the
// chain may still be sent. The receiver can tell that the message is incomplete, because the
// connection ends before the announced end of the body (RFC 9112 8).
func (s *sender) Break() {
	if s.tx == txHead {
		s.send(txBody)
	}
	s.send(txBroken)
	s.closing = true
}

// announce appends the field that says where the body ends, if one does.
func (s *sender) announce(b []byte, length int64) []byte {
	switch {
	case s.chunked:
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	case s.sized:
		return appendLength(b, length)
	}
	return b
}

// willSend counts n bytes of the body, and reports whether they are sent at all.
func (s *sender) willSend(n int64) bool {
	if s.tx != txBody {
		panic("http1: a body before its head")
	}
	if s.noBody {
		return false
	}
	if s.owed -= n; s.owed < 0 && s.sized {
		panic("http1: the body is longer than its Content-Length")
	}
	s.written += n
	return true
}

// beginChunk and endChunk stand around what is written of a chunked body.
func (s *sender) beginChunk(n int64) {
	if s.chunked {
		b := strconv.AppendInt(s.out.Reserve(len("7fffffffffffffff\r\n")), n, 16)
		s.out.Commit(append(b, "\r\n"...))
	}
}

func (s *sender) endChunk() {
	if s.chunked {
		s.out.Copy(crlf)
	}
}
