// Package conformance judges a running HTTP/1.1 server by what it answers on the
// wire: RFC 9110 and RFC 9112, and the stricter policy that the stages of this
// course share.
//
// It knows nothing of the server's insides. It opens TCP connections, sends bytes,
// and reads what comes back with a reader of its own (response.go) that forgives
// nothing: net/http's client would hide half of what is looked for here.
//
// A case is mostly one line of a table (the cases_*.go files, one for each topic):
// the bytes that go out and what may come back. Such a case is played three times:
//
//   - whole: the bytes leave in one write, and a second request follows once the
//     answer is here, to see whether the connection is still in step;
//   - byte by byte: each byte leaves in a write of its own. No verdict may depend on
//     how the stream was cut;
//   - followed: another request follows in the same write. Where the connection
//     stays open it must be answered correctly; where it must close it must not be
//     answered at all. This is what request smuggling turns on.
//
// Over TLS (Target.TLS) all of it is the same: the bytes go through the connection of TLS, the end
// of a half is close_notify, and a server must announce its own.
//
// A case that needs a dialogue (Expect, timeouts, half-close) is a script instead: a
// function that drives the exchange.
//
// What a case must not do: wait for a fixed time where an event can be waited for,
// know the content of a file (it compares with what a plain GET of the same server
// returns), or depend on another case.
package conformance
