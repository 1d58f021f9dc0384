// Package faults makes a worker process hang or crash on purpose, for the tests of the watchdog,
// and for readers who want to see it at work.
//
// Faults come from a hidden flag, and happen in worker processes only. What must not be done:
// without the flag there must be no such route, since a request for it ends a worker.
package faults

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"fourways/shared/config"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/stats"
)

// Routes that break a worker.
const (
	HangRoute  = "/fault/hang"
	CrashRoute = "/fault/crash"
)

// Moments at which a worker can fail.
const (
	CrashAtStart = "start" // before it reports
	HangAtStart  = "stall" // the same
	CrashReady   = "ready" // as soon as it has reported that it serves
)

// crowded is how many of the entries for processes are taken, and nobody is there.
const crowded = "crowd"

// Faults is what is to go wrong. The zero value is nothing.
type Faults struct {
	routes bool
	at     map[string]int // by name: the position whose workers have it, or how many
}

// Flag is the flag by which they are asked for.
func (f *Faults) Flag() config.Flag {
	return config.Flag{
		Name: "inject-faults", Unit: "LIST", Hidden: true,
		Help: "routes: GET /fault/hang and /fault/crash; start:N, stall:N, ready:N: worker N crashes or hangs at its start, or crashes when it serves; crowd:N: as if N workers finished what they had",
		Set:  f.set,
	}
}

// set takes the flag's value: names with commas.
func (f *Faults) set(value string) (err error) {
	f.at = map[string]int{}
	for item := range strings.SplitSeq(value, ",") {
		name, number, _ := strings.Cut(item, ":")
		switch name {
		case "routes":
			f.routes = true
		case CrashAtStart, HangAtStart, CrashReady, crowded:
			if f.at[name], err = strconv.Atoi(number); err != nil || f.at[name] < 1 {
				return fmt.Errorf("%q has no number; give %s:1 or another one", item, name)
			}
		default:
			return fmt.Errorf("%q is no fault; give routes, start:N, stall:N, ready:N or crowd:N", item)
		}
	}
	return nil
}

// Strike makes the fault happen that was asked for at this moment, in a worker of that position.
func (f *Faults) Strike(moment string, position int) {
	switch {
	case f.at[moment] != position:
	case moment == HangAtStart:
		select {}
	default:
		panic("a crash that was asked for: " + moment)
	}
}

// Trial is how long a new worker of a position has to live: usually so long. The master waits
// longer for one that is to crash, however busy the machine is.
func (f *Faults) Trial(position int, usual time.Duration) time.Duration {
	if f.at[CrashReady] == position {
		return time.Minute
	}
	return usual
}

// Crowd takes entries for processes, as if so many finished what they had.
func (f *Faults) Crowd(region *stats.Region) {
	for range f.at[crowded] {
		region.Claim(1, int64(os.Getpid()))
	}
}

// Handler is a handler with the routes, if they were asked for.
func (f *Faults) Handler(h session.Handler) session.Handler {
	if !f.routes {
		return h
	}
	return faulty{h}
}

// faulty is a handler with routes that break the worker that serves them.
type faulty struct{ session.Handler }

func (h faulty) Serve(x *session.Exchange) {
	if x.Request().Method == http1.GET {
		switch string(x.Path()) {
		case HangRoute:
			hang()
		case CrashRoute:
			crash()
		}
	}
	h.Handler.Serve(x)
}

// hang never returns, and keeps the thread busy, as a loop in a parser that does not end
// would.
func hang() {
	for i := 0; i >= 0; i ^= 1 {
	}
}

// crash ends the process: no other goroutine can recover a goroutine's panic.
func crash() {
	go panic("a fault that was asked for")
	select {}
}
