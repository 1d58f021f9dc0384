package http1

// The course of a connection, as seen from the server, and from the client below.
//
// Two machines run side by side. The receiving one follows the client's message: a head, then a
// body whose framing the head announced, then its end. The sending one follows our answer: a final
// head, a body, its end. They meet twice. A request's head must be there before the answer begins;
// and both must have ended before the next request's head is looked at, so that answers leave in
// the order of the requests (RFC 9112 9.3.2), however many were pipelined.
//
//	receiving                               sending
//	rxIdle ── first byte ──► rxLine         txIdle ─ interim ► txIdle
//	rxLine ── CR LF ───────► rxFields       txIdle ── Begin ─► txHead
//	rxFields ─ empty line ─► rxBody…        txHead ── End ───► txBody
//	rxBody… ── last byte ──► rxDone         txBody ── Finish ► txDone
//	                                        txBody ── fault ─► txBroken
//	                                        txDone ── rxDone ► txIdle, rxIdle
//	any ────── fault ──────► rxFailed
//
// A chunked body (RFC 9112 7.1) is four states: the size line, the data, the CR LF after the data,
// and the trailer section.
//
// A client has the two machines the other way round: its request is sent, the answers to it are
// received, interim ones first. Each of them is a message of its own:
//
//	rxEnd ── of an interim answer ─► rxDone ─► rxIdle
//	txDone and rxDone ── Begin ────► txIdle, rxIdle
//
// rxFailed and rxClosed have no way out. In rxFailed one answer may still be
// sent, with Connection: close; in rxClosed no request will follow.
type rxState uint8

const (
	rxIdle       rxState = iota // between requests; a few empty lines are skipped
	rxLine                      // in the request line
	rxFields                    // in the header section
	rxLength                    // in a body of known length
	rxUntilClose                // in a body that ends with the connection; only responses have one
	rxSize                      // in a chunk's size line
	rxData                      // in a chunk's data
	rxDataEnd                   // at the CR LF after a chunk's data
	rxTrailer                   // in the trailer section
	rxEnd                       // the message has ended, its End is not reported yet
	rxDone                      // the message has ended
	rxFailed                    // a fault was found
	rxClosed                    // no further request is read
	rxStates
)

type txState uint8

const (
	txIdle   txState = iota // no final answer begun; interim ones may be written
	txHead                  // a final head is being written
	txBody                  // the head is complete, the body is not
	txDone                  // the answer is complete
	txBroken                // the answer will never be complete
	txStates
)

// rxNext lists where each receiving state may go. [receiver.enter] asserts it.
var rxNext = [rxStates]uint32{
	rxIdle:       set(rxLine, rxFailed, rxClosed),
	rxLine:       set(rxFields, rxFailed, rxClosed),
	rxFields:     set(rxLength, rxUntilClose, rxSize, rxEnd, rxFailed, rxClosed),
	rxLength:     set(rxEnd, rxFailed, rxClosed),
	rxUntilClose: set(rxEnd, rxFailed, rxClosed),
	rxSize:       set(rxData, rxTrailer, rxFailed, rxClosed),
	rxData:       set(rxDataEnd, rxFailed, rxClosed),
	rxDataEnd:    set(rxSize, rxFailed, rxClosed),
	rxTrailer:    set(rxEnd, rxFailed, rxClosed),
	rxEnd:        set(rxDone, rxFailed, rxClosed),
	rxDone:       set(rxIdle, rxClosed),
	rxFailed:     set(rxClosed),
}

// txNext lists where each sending state may go. [sender.send] asserts it.
var txNext = [txStates]uint32{
	txIdle:   set(txIdle, txHead),
	txHead:   set(txBody),
	txBody:   set(txDone, txBroken),
	txDone:   set(txIdle),
	txBroken: 0,
}

func set[S rxState | txState](states ...S) (bits uint32) {
	for _, s := range states {
		bits |= 1 << s
	}
	return bits
}

// enter moves the receiving machine. A transition that the table does not have
// is a fault of this package, not of the peer.
func (r *receiver) enter(next rxState) {
	if rxNext[r.rx]>>next&1 == 0 {
		panic("http1: no such transition of the receiver")
	}
	r.rx, r.used = next, true
}

// send moves the sending machine. A transition that the table does not have is a fault of the code
// that answers.
func (s *sender) send(next txState) {
	if txNext[s.tx]>>next&1 == 0 {
		panic("http1: no such transition of the sender")
	}
	s.tx = next
}

// Event is what [Conn.Next] or [Client.Next] found.
type Event uint8

const (
	// NeedData: nothing more can be said before more bytes arrive. After [Conn.EOF] none will.
	NeedData Event = iota
	// HasRequest: a head is complete and was found well formed. Its Request is
	// in [Conn.Request]; its body, if any, follows as events of its own.
	HasRequest
	// HasHead: the head of a message of either role is complete. Conn reports it as HasRequest,
	// Client as HasInterim or HasResponse.
	HasHead
	// HasInterim: an interim answer is in [Client.Response]: 1xx, except for 101, which is final.
	// Others follow.
	HasInterim
	// HasResponse: the head of the final answer is in [Client.Response]; its body, if any, follows.
	HasResponse
	// HasBody: some of the body is in [Conn.Body].
	HasBody
	// End: the message is complete.
	End
	// Unanswered: the message has ended. The next one may not begin before its answer has ended
	// too.
	Unanswered
	// Closed: no further message will come, because the peer has ended its side
	// between two messages, or because an answer announced the close.
	Closed
	// Error: what arrived is not HTTP or exceeds a limit. [Conn.Fault] says which.
	Error
)

func (e Event) String() string {
	return [...]string{"NeedData", "HasRequest", "HasHead", "HasInterim", "HasResponse", "HasBody", "End", "Unanswered", "Closed", "Error"}[e]
}
