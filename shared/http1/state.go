package http1

// The course of a connection, as seen from the server.
//
// Two machines run side by side. The receiving one follows the client's
// message: a head, then a body whose framing the head announced, then its end.
// The sending one follows our answer: a final head, a body, its end. They meet
// twice. A request's head must be there before the answer begins; and both
// must have ended before the next request's head is looked at, so that answers
// leave in the order of the requests (RFC 9112 section 9.3.2), however many
// were pipelined.
//
//	receiving                               sending
//	rxIdle ── first byte ──► rxLine         txIdle ── Head ──► txBody
//	rxLine ── CR LF ───────► rxFields       txBody ── End ───► txDone
//	rxFields ─ empty line ─► rxBody…        txDone ── rxDone ► txIdle, rxIdle
//	rxBody… ── last byte ──► rxDone
//	any ────── fault ──────► rxFailed
//
// A chunked body (RFC 9112 section 7.1) is four states: the size line, the
// data, the CR LF behind the data, and the trailer section.
//
// rxFailed and rxClosed have no way out. In rxFailed one answer may still be
// sent, with Connection: close; in rxClosed no request will follow.
type rxState uint8

const (
	rxIdle    rxState = iota // between requests; a few empty lines are skipped
	rxLine                   // in the request line
	rxFields                 // in the header section
	rxLength                 // in a body of known length
	rxSize                   // in a chunk's size line
	rxData                   // in a chunk's data
	rxDataEnd                // at the CR LF behind a chunk's data
	rxTrailer                // in the trailer section
	rxEnd                    // the message has ended, its End is not reported yet
	rxDone                   // the message has ended
	rxFailed                 // a fault was found
	rxClosed                 // no further request is read
	rxStates
)

type txState uint8

const (
	txIdle txState = iota // no final answer begun
	txHead                // a final head is being written
	txBody                // the head is complete, the body is not
	txDone                // the answer is complete
	txStates
)

// rxNext lists where each receiving state may go. [Conn.enter] asserts it.
var rxNext = [rxStates]uint32{
	rxIdle:    set(rxLine, rxFailed, rxClosed),
	rxLine:    set(rxFields, rxFailed, rxClosed),
	rxFields:  set(rxLength, rxSize, rxEnd, rxFailed, rxClosed),
	rxLength:  set(rxEnd, rxFailed, rxClosed),
	rxSize:    set(rxData, rxTrailer, rxFailed, rxClosed),
	rxData:    set(rxDataEnd, rxFailed, rxClosed),
	rxDataEnd: set(rxSize, rxFailed, rxClosed),
	rxTrailer: set(rxEnd, rxFailed, rxClosed),
	rxEnd:     set(rxDone, rxFailed, rxClosed),
	rxDone:    set(rxIdle, rxClosed),
	rxFailed:  set(rxClosed),
}

func set(states ...rxState) (bits uint32) {
	for _, s := range states {
		bits |= 1 << s
	}
	return bits
}

// enter moves the receiving machine. A transition that the table does not have
// is a fault of this package, not of the peer.
func (c *Conn) enter(next rxState) {
	if rxNext[c.rx]>>next&1 == 0 {
		panic("http1: no such transition")
	}
	c.rx, c.used = next, true
}

// Event is what [Conn.Next] found.
type Event uint8

const (
	// NeedData: nothing more can be said before more bytes arrive, or, after
	// [Conn.EOF], ever.
	NeedData Event = iota
	// HasRequest: a head is complete and was found well formed. Its Request is
	// in [Conn.Request]; its body, if any, follows as events of its own.
	HasRequest
	// HasBody: some of the body is in [Conn.Body].
	HasBody
	// End: the message is complete.
	End
	// Closed: no further request will come, because the peer has ended its side
	// between two requests, or because an answer announced the close.
	Closed
	// Error: what arrived is not HTTP, or over a limit. [Conn.Fault] says how.
	Error
)

func (e Event) String() string {
	return [...]string{"NeedData", "HasRequest", "HasBody", "End", "Closed", "Error"}[e]
}
