package app

import "sync"

// repeated is work that may hang, and may be asked for at any time: it is done once more however
// often it is asked for meanwhile, so callers do not add up.
type repeated struct {
	mu           sync.Mutex
	going, asked bool
	done         chan struct{} // closed when it no longer goes
}

// ask has the work done from now on, and does not wait for it. It is the same each time.
func (r *repeated) ask(work func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = true
	if r.going {
		return
	}
	done := make(chan struct{})
	r.going, r.done = true, done
	go func() {
		defer close(done)
		for r.next() {
			work()
		}
	}()
}

// wait waits until the work that was asked for is done.
func (r *repeated) wait() {
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	if done != nil {
		<-done
	}
}

// next reports whether the work was asked for since it was begun last.
func (r *repeated) next() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.going, r.asked = r.asked, false
	return r.going
}
