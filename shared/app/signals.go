package app

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"fourways/shared/logging"
)

// Reloads are the signals that ask for something to be opened anew. A program takes them before it
// does anything else: until then they end it (signal(7)), and whoever has just started a server may
// reload it at once. Nothing can be done about what comes before main, in the process's first two
// milliseconds.
var Reloads = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1}

// Endings are the signals that ask it to end. It takes them from the first moment on, too: see
// Starting.
var Endings = []os.Signal{syscall.SIGINT, syscall.SIGTERM}

var (
	errStartHangs = errors.New("ended before it could serve: something that it opens hangs; see ps -o pid,state,wchan")
	errStartEnded = errors.New("ended before it could serve, on a second signal")
)

// Starting has a program start, on another thread than the main one: that is to hear signals, and
// a disk may hold who opens something. Whoever asks the program to end meanwhile is heard once it
// has started. Where that takes longer than LastGrace, or on a second signal, it is to end with the
// error, whatever the start still does.
func Starting[T any](start func() (T, error)) (T, error) {
	type started struct {
		value T
		err   error
	}
	done, signals := make(chan started, 1), make(chan os.Signal, 2)
	signal.Notify(signals, Endings...)
	defer signal.Stop(signals)
	go func() {
		value, err := start()
		done <- started{value, err}
	}()
	var nothing T
	var over <-chan time.Time
	for {
		select {
		case s := <-done:
			return s.value, s.err
		case <-over:
			return nothing, errStartHangs
		case <-signals:
			if over != nil {
				return nothing, errStartEnded
			}
			over = time.After(LastGrace)
		}
	}
}

// AwaitSignals takes each kind of signal from a channel of its own. Package os/signal drops signals
// for which a channel has no room, so with one channel for all a flood of one kind would displace
// the others. Of one kind only repetitions are lost, as in the kernel. Whoever handles SIGTTOU gets
// it for what it writes to a terminal, too, so the logs have to know.
func AwaitSignals(kinds []os.Signal, then func(os.Signal)) {
	if slices.Contains(kinds, os.Signal(syscall.SIGTTOU)) {
		logging.HandlesTTOU()
	}
	for _, kind := range kinds {
		arrived := make(chan os.Signal, 1)
		signal.Notify(arrived, kind)
		go func() {
			for sig := range arrived {
				then(sig)
			}
		}()
	}
}
