// Package timeout bounds what nothing can break off. It stands apart from package offload,
// which the session imports: the session knows no clock but the time that it is given.
package timeout

import (
	"errors"
	"time"
)

// ErrSlow: something has not ended in its time. It goes on, and nobody waits for it.
var ErrSlow = errors.New("no answer in time")

// Within waits for do, but no longer than limit: then its error is ErrSlow, and do goes on
// alone. It is for calls that a hung disk can hold for ever, and that cannot be broken off:
// open(2), close(2), fsync(2). do must not touch what others use after the limit.
func Within(limit time.Duration, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return ErrSlow
	}
}
