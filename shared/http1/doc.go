// Package http1 is HTTP/1.1 (RFC 9112) without any I/O: the server's side of a connection, and the
// client's, for requests that are passed on to another server.
//
// A [Conn] takes the bytes that arrived on a connection and says what they mean, one [Event] at a
// time; the answer goes into a [chain.Chain] of segments, each some bytes or a range of a file, and
// the driver sends it. Nothing here reads, writes, waits, looks at a clock or knows of sockets, so
// the same code serves a blocking thread, a poll loop and an epoll loop, and a test can feed it a
// byte at a time. A [Client] is the same with the roles exchanged: it is asked to write a request,
// and says what the answer's bytes mean. Both read with one parser.
//
// Who owns what: a Conn or Client owns its receive buffer. Slices in a [Request] or [Response] and
// those returned by Body point into it. A message's stay valid until its exchange is over, a body's
// only until the following call of Next. The chain owns what was put into it until it is
// acknowledged.
//
// What must not be done: a Conn or Client, its messages and its chain belong to one thread at a
// time. After an [Error] event nothing that follows on the connection may be read as HTTP, because
// it is no longer known where the message ended.
package http1
