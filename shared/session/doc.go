// Package session runs one connection: it combines the protocol (http1), the defence per address
// (limiter), the checks on a request (guard) and the answers (a Handler) with deadlines and minimum
// rates. Like http1 it does no I/O.
//
// A [Session] is a [machine.Machine]. The stages are its drivers: a driver owns the socket and
// moves the bytes, and knows nothing of HTTP.
//
// Who owns what: a [Server] is shared by all threads and does not change while it serves. A
// [Thread] belongs to one thread. It has everything that the thread's sessions share without a
// lock: the clock, the buffers, the counters. A Session belongs to the thread of its Thread, except
// that Work may run on any thread, while the session waits for it and nothing else touches it.
//
// An idle session is small: what a request needs (receive buffer, parsed fields,
// answer) is borrowed from the Thread at the first byte and given back when the
// connection is idle again.
package session
