// Package session is one connection's course: it joins the wire (http1), the
// defence per address (limiter), the checks on a request (guard) and what is
// answered (a Handler) with deadlines and minimum rates. Like http1 it does no I/O.
//
// A driver, which is what the stages are, owns the socket and moves the bytes. It
// asks [Session.Step] what the session wants next, and does that:
//
//	WantRead   wait until the socket is readable, read into Recv, say Received or EOF
//	WantWrite  write what is in Out and acknowledge it there; if the socket does not
//	           take all of it, say Stalled, and wait until it is writable
//	WantWake   run Work somewhere it may block, then go on
//	WantShut   end the sending direction: shutdown(fd, SHUT_WR)
//	WantClose  call Close, and close the socket
//
// and calls Step again, also when Deadline has passed. It knows nothing of HTTP.
//
// Who owns what: a [Server] is shared by all threads and does not change while it
// serves. A [Local] belongs to one thread, with everything its sessions share
// without a lock: the clock, the buffers, the counters. A Session belongs to the
// thread of its Local, but for its Work, which may run on any thread while the
// session waits for it and nobody else touches it.
//
// An idle session is small: what a request needs (receive buffer, parsed fields,
// answer) is borrowed from the Local at the first byte and given back when the
// connection is idle again.
package session
