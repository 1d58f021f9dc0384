package upstream

// Links driven in memory: the test plays the targets, the clock and the users.
//
// A rig belongs to its test, and has one thread. What must not be done: no machine's method may be
// called but by the driver.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/machine/machinetest"
	"fourways/shared/session"
	"fourways/shared/stats"
)

type rig struct {
	*machinetest.Driver
	t      testing.TB
	set    *Set
	local  *Local
	thread *session.Thread
	logged []string
}

// newRig has a thread with one group of so many targets.
func newRig(t testing.TB, targets int, change func(*Options)) *rig {
	srv := &session.Server{Stats: stats.New(1)}
	r := &rig{t: t, thread: session.NewThread(srv, srv.Stats.Slot(0), "loop-1", 7)}
	r.Driver = &machinetest.Driver{Now: r.thread.Clock.Now}
	r.thread.Host = r.Driver
	r.thread.Clock.Set(1000*clock.Second, 784111777e9)
	opt := Options{Timeout: 30 * clock.Second, Connect: 5 * clock.Second, Idle: 4, Region: NewRegion(1), Now: r.thread.Clock.Now, Sockets: r.Driver,
		Log: func(format string, a ...any) { r.logged = append(r.logged, fmt.Sprintf(format, a...)) }}
	if change != nil {
		change(&opt)
	}
	var group []Target
	for i := range targets {
		group = append(group, Target{Name: fmt.Sprintf("http://127.0.0.1:%d", 9000+i), Host: "127.0.0.1", Port: uint16(9000 + i)})
	}
	var err error
	r.set, err = New(opt, [][]Target{group})
	require.NoError(t, err)
	r.local = r.set.LocalOf(r.thread)
	return r
}

func (r *rig) pass(d clock.Time) {
	r.thread.Clock.Set(r.thread.Clock.Now()+d, r.thread.Clock.UnixNano()+int64(d))
	r.Run()
}

// asker is a User that notes what it is told.
type asker struct {
	link *Link
	told []string
	body string
	full int // bytes of body after which it takes no more

	piped func(chain.Pipe, int64) // what is done with a pipe; nil to take none

	large int // pieces of the body that came with a reference
}

func (a *asker) tell(format string, args ...any) {
	a.told = append(a.told, fmt.Sprintf(format, args...))
}
func (a *asker) Connected()    { a.tell("connected") }
func (a *asker) Room()         { a.tell("room") }
func (a *asker) Interim()      { a.tell("interim %d", a.link.Client().Response().Status) }
func (a *asker) Response()     { a.tell("%d", a.link.Client().Response().Status) }
func (a *asker) Closed()       { a.tell("closed"); a.link = nil }
func (a *asker) End()          { a.tell("end"); a.link = nil }
func (a *asker) Held() int64   { return 0 }
func (a *asker) Moved(l *Link) { a.link = l }
func (a *asker) Waits() bool   { return true }
func (a *asker) Lost(why Loss) { a.tell("lost %d", why); a.link = nil }
func (a *asker) Body(p []byte, ref chain.Ref) {
	a.body += string(p)
	if ref != nil {
		a.large++
		ref.Release()
	}
	if a.full > 0 && len(a.body) >= a.full {
		a.link.Pause()
	}
}

func (a *asker) TakesPipe() bool            { return a.piped != nil }
func (a *asker) Pipe(p chain.Pipe, n int64) { a.piped(p, n) }

func (a *asker) all() string { return strings.Join(a.told, ", ") }

// ask sends a GET to a target.
func (r *rig) ask(target int) *asker {
	a := &asker{}
	var err error
	a.link, err = r.local.Link(r.set.Groups[0].Members[target], a, AnyKept)
	require.NoError(r.t, err)
	a.link.Client().Begin([]byte("GET"), []byte("/"), http1.NoBody).End()
	a.link.Client().Finish()
	a.link.Push()
	return a
}

// last is the socket that was opened last.
func (r *rig) last() *machinetest.Socket { return r.Sockets[len(r.Sockets)-1] }

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
