//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"

	"fourways/shared/http1"
	"fourways/shared/session"
)

// Routes that break a worker on purpose.
const (
	hangRoute  = "/fault/hang"
	crashRoute = "/fault/crash"
)

// faults is what is to go wrong on purpose. Nobody can be told what a watchdog does who
// has never seen a loop hang.
type faults struct {
	routes bool
	start  int // the position whose workers crash at their start, 0 for none
}

// set takes a flag's value: names with commas.
func (f *faults) set(value string) (err error) {
	for name := range strings.SplitSeq(value, ",") {
		number, isStart := strings.CutPrefix(name, "start:")
		switch {
		case name == "routes":
			f.routes = true
		case isStart:
			if f.start, err = strconv.Atoi(number); err != nil || f.start < 1 {
				return fmt.Errorf("%q is no worker; give start:1 or another number", name)
			}
		default:
			return fmt.Errorf("%q is no fault; give routes or start:N", name)
		}
	}
	return nil
}

// faulty is a handler with routes that break the worker they are asked of.
type faulty struct{ session.Handler }

func (h faulty) Serve(x *session.Exchange) {
	if x.Request().Method == http1.GET {
		switch string(x.Path()) {
		case hangRoute:
			hang()
		case crashRoute:
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

// crash ends the process: a panic of another goroutine is nobody's to catch.
func crash() {
	go panic("a fault that was asked for")
	select {}
}
