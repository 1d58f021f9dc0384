package machine

// The order of calls.
//
// What a driver may call depends on what the machine wanted last. After each Want, and only after
// it, these may be called; Step, Deadline, Reads, Idle, RestartDeadline, Fail and Break may be
// called after each but the last:
//
//	at first    Recv Received EOF         a driver may read before it first steps
//	WantRead    Recv Received EOF
//	WantWrite   Out Stalled Fetch
//	WantPeer    (nothing)
//	WantWake    Work Leave
//	WantShut    (nothing)
//	WantClose   Close Abortive            and nothing else any more
//
// Close may be called after each of them: a socket can be lost at any time. A call that is
// not in the table is a fault of the driver, not of the peer, and panics.

// Call is a group of a machine's methods, as a bit.
type Call uint8

const (
	CallRead  Call = 1 << iota // Recv, Received, EOF
	CallWrite                  // Out, Stalled, Fetch
	CallWork                   // Work, Leave
	CallStep                   // Step, Deadline, Reads, Idle, RestartDeadline, Fail, Break
	CallClose                  // Close
)

// after lists what may be called after each Want. [Order.Wanted] looks it up.
var after = [...]struct {
	want Want
	may  Call
}{
	{WantRead, CallStep | CallClose | CallRead},
	{WantWrite, CallStep | CallClose | CallWrite},
	{WantPeer, CallStep | CallClose},
	{WantWake, CallStep | CallClose | CallWork},
	{WantShut, CallStep | CallClose},
	{WantClose, CallClose},
}

// allowed is the table by what was wanted, combinations included.
var allowed = func() (t [1 << 6]Call) {
	for w := range t {
		for _, row := range after {
			if Want(w)&row.want != 0 {
				t[w] |= row.may
			}
		}
	}
	return t
}()

// Order asserts the table for one machine, which embeds it. Its zero value allows nothing.
type Order struct{ may Call }

// Opened says that the machine begins.
func (o *Order) Opened() { o.may = CallStep | CallClose | CallRead }

// Wanted notes what Step returns, and returns it.
func (o *Order) Wanted(w Want) Want {
	o.may = allowed[w]
	return w
}

// Called asserts that the call may come now.
func (o *Order) Called(c Call) {
	if o.may&c == 0 {
		outOfOrder(c)
	}
	if c == CallClose {
		o.may = 0
	}
}

// May reports whether the call may come now.
func (o *Order) May(c Call) bool { return o.may&c != 0 }

// outOfOrder is a function of its own so that Called is small enough to be inlined.
func outOfOrder(c Call) {
	names := map[Call]string{CallRead: "read", CallWrite: "write", CallWork: "Work", CallStep: "Step", CallClose: "Close"}
	panic("machine: " + names[c] + " out of order")
}
