// Package upstream is the servers behind this one: which there are, which of them gets the next
// request, and the connections to them.
//
// A [Set] has the targets of one process. Each thread that serves has a [Local]: its idle
// connections, what it has under way at each target, and its budget of retries. A [Link] is one
// connection to a target: a machine, which the thread's driver drives like any other socket.
//
// The files stand in the order of a request's way: choose.go picks a target, budget.go says whether
// a request may be sent once more, local.go finds a connection, link.go speaks HTTP on it.
// health.go is what is known of a target's health, resolve.go where a name leads, check.go asks the
// targets themselves, region.go is what all processes of the server know together.
//
// Who owns what: a Set does not change while it serves, except for its atomics. Other targets are
// another Set, in the same Region, and the one before is retired. A Local and its Links belong to
// one thread. The goroutines of [Set.Start] touch atomics only.
//
// What must not be done: nothing but those goroutines may wait, for a name or for a target.
package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/resolve"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Bounds that nobody needs to change.
const (
	idleTime       = 4 * clock.Second       // that a connection is kept that has nothing to do
	distrust       = 10 * clock.Second      // of kept connections, after one was closed under a request
	restTime       = 10 * clock.Second      // of a target that has failed, give or take a tenth
	failuresToRest = 3                      // in a row
	tellEvery      = 60 * clock.Second      // between two lines of the log on why a target has failed
	probeTime      = 10 * clock.Second      // after which the one request that was let through has had its chance
	budgetSeconds  = 10                     // over which retries are held against requests
	budgetShare    = 10                     // one retry for so many requests
	budgetLeast    = 10                     // retries that are always allowed in that time: there may be few requests
	roomAt         = 32 << 10               // bytes waiting to be sent to a target, below which it may have more
	largeRead      = 16 << 10               // bytes of a body still to come, from which on more is read at once
	leastPiped     = 64 << 10               // bytes still to come, from which on they may be moved by a pipe
	checkEvery     = 5 * clock.Second       // between two checks of a target
	firstKnock     = 10 * clock.Millisecond // until a Unix socket whose queue was full is tried again; then twice as long
	longestKnock   = clock.Second / 4       // the longest of these times
	checkTimeout   = 5 * clock.Second       // of a check
	tooLate        = clock.Second           // after a tunnel's time: whoever looks only then was suspended
)

// received is how many bytes of an answer's beginning are read at once.
var received = http1.ResponseLimits.BufferSize()

// FullAt is how many bytes may wait to be sent to a target before its client is held up.
const FullAt = 64 << 10

// Target is one server behind this one, as the configuration names it.
type Target struct {
	Name string // as it was given: http://127.0.0.1:9000, unix:/run/app.sock
	Host string // name or address, without brackets; empty for a Unix socket
	Port uint16
	Path string // of a Unix socket
}

// Authority is what a Host field names the target by (RFC 9110 7.2).
func (t *Target) Authority() string {
	switch {
	case t.Path != "":
		return "localhost"
	case t.Port != 80:
		return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
	case strings.Contains(t.Host, ":"):
		return "[" + t.Host + "]"
	}
	return t.Host
}

// Options is what a Set is made with.
type Options struct {
	Timeout       clock.Time // that a target may be silent
	Connect       clock.Time // for a connection to be made
	TunnelTimeout clock.Time // that both ends of a tunnel may be silent
	Conns         int64      // requests under way at one target, in all processes; 0 for no limit
	Idle          int        // connections that a thread keeps to a target that have nothing to do
	Check         string     // path that the targets are asked for now and then; empty for none
	Region        *Region
	Process       int                           // which of the region's this one is
	Now           func() clock.Time             // for goroutines that have no thread's clock
	Log           func(format string, a ...any) // what happened to a target; on any thread; may be nil

	Sockets sysnet.Sockets                                               // of the system where it is nil
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error) // resolve.System where it is nil
}

// Set is the targets of one process.
type Set struct {
	opt    Options
	states []*State // each target once
	Groups []*Group // as they were given to New
	locals sync.Map // *session.Thread to *Local

	retired atomic.Bool // another Set has taken its place
}

// Group is targets of which each can answer the same requests.
type Group struct {
	number  int
	Members []*State
}

// State is one target, and what this process knows of it.
type State struct {
	Target
	set    *Set
	number int
	row    *row
	made   bool // the row was free before
	where  resolve.Target
}

// Addrs is where the target is, as far as is known.
func (s *State) Addrs() []sysnet.Addr { return s.where.Addrs() }

// isAt reports whether that is one of the target's addresses still.
func (s *State) isAt(a *sysnet.Addr) bool {
	addrs := s.Addrs()
	for i := range addrs {
		if a == &addrs[i] || *a == addrs[i] {
			return true
		}
	}
	return false
}

// New makes the set of some groups of targets. A target that several groups name is one. Where it
// fails the region is as it was.
func New(opt Options, groups [][]Target) (*Set, error) {
	if opt.Sockets == nil {
		opt.Sockets = sysnet.System
	}
	if opt.lookup == nil {
		opt.lookup = resolve.System
	}
	opt.Region.begin(opt.Process)
	s := &Set{opt: opt}
	for i, targets := range groups {
		g := &Group{number: i}
		for _, t := range targets {
			state, err := s.state(t)
			if err != nil {
				s.GiveBack()
				return nil, err
			}
			g.Members = append(g.Members, state)
		}
		s.Groups = append(s.Groups, g)
	}
	return s, nil
}

// state is the one of a target, made if it is not there.
func (s *Set) state(t Target) (*State, error) {
	for _, have := range s.states {
		if have.Name == t.Name {
			return have, nil
		}
	}
	row, made, err := s.opt.Region.claim(t.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	state := &State{Target: t, set: s, number: len(s.states), row: row, made: made}
	s.states = append(s.states, state)
	state.where.Host, state.where.Port, state.where.Path, state.where.LookUp = t.Host, t.Port, t.Path, state.lookUp
	if state.where.Named() {
		state.where.Know(row.place.remembered(t.Port))
	} else {
		if err := state.where.Look(context.Background()); err != nil {
			return nil, err
		}
	}
	return state, nil
}

// GiveBack gives the rows that the set has made back to the region. No process may have the set's
// targets in use, nor be about to.
func (s *Set) GiveBack() {
	for _, state := range s.states {
		if state.made {
			state.made = false
			state.row.clear()
		}
	}
}

// Retire says that new requests go by another Set. Those under way end as they began. No further
// connection is kept, and one that is kept is closed when its time is over, in a few seconds.
func (s *Set) Retire() { s.retired.Store(true) }

// States are all targets, each once.
func (s *Set) States() []*State { return s.states }

// LocalOf is what a thread has of the set.
func (s *Set) LocalOf(thread *session.Thread) *Local {
	if l, ok := s.locals.Load(thread); ok {
		return l.(*Local)
	}
	l := newLocal(s, thread)
	s.locals.Store(thread, l)
	return l
}
