// Package clock holds the time as the server uses it: a monotonic reading for
// deadlines, and the Date field's text, both taken once a turn of a driver's
// loop and not once a request.
//
// The package reads no clock itself: a driver reads one (sysnet.ReadClock) and
// stores it here with [Clock.Set]. So everything above it runs in tests on
// whatever time the test says, and stays free of system calls.
package clock

import "math"

// Time is a point on the process's monotonic clock, in nanoseconds. Only
// differences mean anything. Differences are Times too.
type Time int64

// Durations, to be added to a Time.
const (
	Millisecond Time = 1e6
	Second      Time = 1e9
)

// Never is the deadline of something that has none.
const Never Time = math.MaxInt64

// Clock is one thread's view of the time. It is not safe for concurrent use:
// each thread that serves has its own.
type Clock struct {
	now  Time
	unix int64 // seconds since 1970, UTC
	nano int64 // nanoseconds into that second
	date [DateLen]byte
}

// Set stores a reading of both clocks: mono in nanoseconds, and the wall clock
// in nanoseconds since 1970. The Date text is formatted only when its second
// has changed.
func (c *Clock) Set(mono Time, unixNano int64) {
	c.now = mono
	sec := unixNano / 1e9
	c.nano = unixNano - sec*1e9
	if sec != c.unix || c.date[0] == 0 {
		c.unix = sec
		AppendDate(c.date[:0], sec)
	}
}

// Now is the monotonic reading last stored.
func (c *Clock) Now() Time { return c.now }

// Unix is the wall clock last stored, in seconds since 1970.
func (c *Clock) Unix() int64 { return c.unix }

// UnixNano is the wall clock last stored, in nanoseconds since 1970.
func (c *Clock) UnixNano() int64 { return c.unix*1e9 + c.nano }

// Date is the wall clock as the Date field wants it (RFC 9110 5.6.7). The bytes belong to the clock
// and change with the next [Clock.Set].
func (c *Clock) Date() []byte { return c.date[:] }
