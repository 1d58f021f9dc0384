package sysnet

import (
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/clock"
)

// started is one instant on Go's clock, and the same on the system's monotonic one.
// Deadlines count on the latter, because processes share it: what one of them notes
// in shared memory the others can compare.
var started, startedAt = func() (time.Time, clock.Time) {
	at := Monotonic()
	return time.Now(), at
}()

// Monotonic is the present time on the system's monotonic clock, asked of the system itself. Now
// lags behind it by as long as the process was kept from running between its two first readings.
func Monotonic() clock.Time {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // clock_gettime(2) cannot fail with a clock that every system has
	}
	return clock.Time(ts.Nano())
}

// ReadClock stores the present time in c: one reading serves both clocks.
func ReadClock(c *clock.Clock) {
	now := time.Now()
	c.Set(startedAt+clock.Time(now.Sub(started)), now.UnixNano())
}

// Now is the present time on the clock that ReadClock stores.
func Now() clock.Time { return startedAt + clock.Time(time.Since(started)) }
