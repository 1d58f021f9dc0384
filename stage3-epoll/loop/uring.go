package loop

// The choice: a loop over epoll(7), or one over io_uring(7). Both are a Loop, and differ in what is
// behind completions.
//
// It is made once, before the loops are. What must not be done: a ring belongs to one thread, so it
// is made ready by New, and becomes a thread's only in Run.

import (
	"fmt"
	"log/slog"

	"fourways/shared/app"
	"fourways/shared/machine"
)

// completions is how a loop asks for what is to be done, instead of waiting for what is ready.
type completions interface {
	run()                                   // see Run
	watch(s *socket, want machine.Want)     // asks for what a machine waits for
	send(s *socket, want machine.Want) bool // sends the bytes at the front of a machine's chain, if there are any
	cancel(k kind, n int32)                 // lets go of a request, which then completes
	release(s *socket, abortive bool)       // closes a socket, once the kernel has let go of it
	listen(a *listener)                     // asks for connections
	ignore(a *listener)                     // and no longer
	close()
}

// kind is what a request asks the kernel for. Those of sockets are bits: a socket may have several.
type kind uint8

const (
	askBytes      kind = 1 << iota // bytes, in a buffer of the kernel's choice
	askInput                       // to be told when there are some
	askRoom                        // to be told when it can be written to
	askHangup                      // to be told when it has hung up
	askSend                        // to send what is in its machine's chain
	askConnection                  // of a listener
	askWake                        // to be told when another thread wants something
	askNothing    kind = 0         // nobody waits for what becomes of it
)

// note is what else is known of a socket, as bits: over io_uring, but for noteUnread.
type note uint8

const (
	noteAccepted note = 1 << iota // it is a connection's first, which only the loop reads
	noteHungUp                    // its peer has gone, or both directions have ended
	noteUnread                    // something has come that its machine did not read
	noteEnded                     // its peer has ended its direction while its buffer was full
)

// Choose settles how loops are to wait, and reports whether over io_uring. Where the kernel or a
// container forbids that, it is an error, or with auto a line in the log.
func Choose(how app.IO, log *slog.Logger) (uring bool, err error) {
	if how == app.Epoll {
		return false, nil
	}
	switch err = useUring(nil); {
	case err == nil:
		log.Debug("The loops wait for completions (io_uring)")
		return true, nil
	case how == app.Auto:
		log.Warn("io_uring cannot be used here, so the loops wait for readiness", "error", err)
		return false, nil
	}
	return false, fmt.Errorf("io_uring cannot be used here: %w; -io auto does without it then", err)
}

// overUring has a loop wait by io_uring. A ring is memory that the system locks, and may be one too
// many (getrlimit(2), RLIMIT_MEMLOCK): the first loops have one then.
func (l *Loop) overUring() error {
	err := useUring(l)
	switch {
	case err != nil && l.opt.Auto:
		l.log.Warn("There is no more io_uring for this loop, so it waits for readiness", "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("there is no io_uring for %s: %w; allow more locked memory (ulimit -l), or -io auto does without it", l.opt.Name, err)
	}
	return nil
}
