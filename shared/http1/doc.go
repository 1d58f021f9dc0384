// Package http1 is HTTP/1.1 on a server's side without any I/O (RFC 9112).
//
// A [Conn] takes the bytes that arrived on a connection and says what they
// mean, one [Event] at a time; the answer goes into a [Chain] of segments, each
// some bytes or a range of a file, that somebody else sends. Nothing here
// reads, writes, waits, looks at a clock or knows of sockets, so the same code
// serves a blocking thread, a poll loop and an epoll loop, and a test can feed
// it a byte at a time.
//
// Who owns what: the Conn owns its receive buffer. Slices in a [Request] and
// those returned by [Conn.Body] point into it. The request's stay valid until
// its exchange is over ([Conn.Next] is called after the answer is complete),
// a body's only until the following call of Next. The Chain owns what was put
// into it until it is acknowledged.
//
// What must not be done: a Conn, its Request and its Chain belong to one
// thread at a time. After an [Error] event nothing that follows on the
// connection may be read as HTTP: where one message ended is no longer known.
package http1
