package app

import "time"

// EndWithin returns when wait does. After the timeout it calls cut, which is to end what is left,
// and goes on waiting: the wait itself has no timeout, see [Driver].
func EndWithin(timeout time.Duration, wait, cut func()) {
	ended := make(chan struct{})
	go func() {
		wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(timeout):
		cut()
		<-ended
	}
}
