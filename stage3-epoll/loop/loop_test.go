package loop

// The loop with real sockets, driven turn by turn. A rig is a loop on the test's thread and a clock
// that the test moves; only few tests let it run by itself.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/app"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/offload"
	"fourways/shared/session"
	counters "fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/timerwheel"
)

// patience is when a test gives up what should happen at once.
const patience = 5 * time.Second

const (
	sockBuf = 64 << 10 // bytes of our sockets' buffers
	// large is more than the buffers of both ends hold while nothing is read, in bytes.
	large = 4 << 20
)

// rig is a loop with real sockets. A test either turns the loop by hand, a turn at a
// time, and is then the thread that the loop belongs to: it may look at everything, and
// knows what has happened and what has not. Or it has the loop run.
type rig struct {
	t      *testing.T
	loop   *Loop
	srv    *session.Server
	site   *site
	addr   string
	logged *bytes.Buffer // not while the loop runs
	events []event
	now    clock.Time // turned by hand, a loop has a clock that stands until pass
	ring   turner     // turns it over io_uring; nil over epoll
}

// turner is how a loop over io_uring is turned by hand.
type turner interface {
	turn()   // waits for something, and then settles
	settle() // until nothing more is done at once
	quiet() bool
	end()
}

// overUring makes a rig's turner. While it is set, all rigs are over io_uring.
var overUring func(*rig) turner

// newRig makes a loop that listens. limit is how many connections it may have at once.
func newRig(t *testing.T, limit int64) *rig {
	t.Helper()
	listener, addr, err := sysnet.Listen(sysnet.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}, sysnet.ListenOptions{SockBuf: sockBuf})
	require.NoError(t, err)
	r := &rig{t: t, addr: addr.IP.String(), site: newSite(t), logged: &bytes.Buffer{}, events: make([]event, eventBatch)}
	r.srv = &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 8192, Head: 8192, Fields: 100, Body: 1 << 20}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    counters.New(1),
		Handler:  r.site,
		Observer: silent{},
		MaxConns: limit,
	}
	slow := offload.New(1)
	t.Cleanup(slow.Close)
	r.loop, err = New(Options{
		Thread:    session.NewThread(r.srv, r.srv.Stats.Slot(0), "loop-1", 7),
		Log:       slog.New(slog.NewTextHandler(r.logged, nil)),
		Name:      "loop-1",
		Listeners: []app.Listener{{FD: listener}},
		Slow:      slow,
		Uring:     overUring != nil,
	})
	require.NoError(t, err)
	return r
}

// byHand readies a rig whose loop the test turns itself.
func byHand(t *testing.T, limit int64) *rig {
	t.Helper()
	return readied(t, newRig(t, limit))
}

// readied readies a rig for turns by hand.
func readied(t *testing.T, r *rig) *rig {
	t.Helper()
	l := r.loop
	r.now = sysnet.Now()
	if overUring != nil {
		r.ring = overUring(r)
	}
	t.Cleanup(func() {
		l.each(func(c *socket) { l.close(c) })
		if r.ring != nil {
			r.ring.end()
		}
		l.Close()
		if !l.draining {
			for _, a := range l.accepts {
				a.Close()
			}
		}
	})
	r.pass(0)
	return r
}

// turn waits for events and does what Run does in one turn.
func (r *rig) turn() {
	r.t.Helper()
	if r.ring != nil {
		r.ring.turn()
		r.pass(0)
		return
	}
	n := r.await()
	r.loop.turn(r.events[:n])
	r.loop.collect()
	r.loop.thread.EndTurn(r.now, n, 0)
	r.pass(0)
}

// await waits for events. A signal of Go's own may end a wait early (epoll_wait(2), EINTR).
func (r *rig) await() (n int) {
	r.t.Helper()
	for end := time.Now().Add(patience); n == 0; {
		require.True(r.t, time.Now().Before(end), "nothing has happened")
		n = r.loop.poll.Wait(r.events, int(patience/time.Millisecond))
	}
	return n
}

// pass lets time go by, and has the loop look at its deadlines, and then at its listeners.
func (r *rig) pass(d clock.Time) {
	r.now += d
	r.loop.thread.Clock.Set(r.now, int64(r.now))
	r.loop.wheel.Advance(int64(r.loop.thread.Clock.Now()), r.loop.due)
	r.loop.adjustListening()
	if r.ring != nil {
		r.ring.settle()
	}
}

// quiet says that the poller has nothing to report: a loop that waited now would sleep.
func (r *rig) quiet(why string) {
	r.t.Helper()
	if r.ring != nil {
		require.True(r.t, r.ring.quiet(), why)
		return
	}
	require.Zero(r.t, r.loop.poll.Look(r.events, 0), why)
}

// conns is the loop's connections, by descriptor.
func (r *rig) conns() (all []*socket) {
	r.loop.each(func(c *socket) { all = append(all, c) })
	return all
}

// run has the loop run until the test ends.
func run(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, 1000)
	var thread sync.WaitGroup
	thread.Go(r.loop.Run)
	t.Cleanup(func() {
		r.srv.Drain()
		r.loop.Drain()
		r.loop.Cut()
		thread.Wait()
		r.loop.Close()
	})
	return r
}

// client is the other end of a connection.
type client struct {
	*net.TCPConn
	t    *testing.T
	from *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	c, err := net.DialTimeout("tcp", r.addr, patience)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	require.NoError(r.t, c.SetDeadline(time.Now().Add(patience)))
	return &client{c.(*net.TCPConn), r.t, bufio.NewReader(c)}
}

// connect dials, and has the loop take the connection.
func (r *rig) connect() *client {
	r.t.Helper()
	c := r.dial()
	r.turn()
	return c
}

// ask sends a request. That it did not arrive shows when its answer is read.
func (c *client) ask(path string) {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
}

// answered reports whether something has come for the client.
func (c *client) answered() (yes bool) {
	raw, err := c.SyscallConn()
	require.NoError(c.t, err)
	require.NoError(c.t, raw.Control(func(fd uintptr) { yes = readable(c.t, int(fd), 0) }))
	return yes
}

// gets asks for a path and wants this answer.
func (c *client) gets(path, body string) {
	c.t.Helper()
	c.ask(path)
	c.hears(body)
}

// hears wants this answer next.
func (c *client) hears(body string) {
	c.t.Helper()
	require.NoError(c.t, c.reads(body))
}

// reads is hears for a goroutine of its own.
func (c *client) reads(body string) error {
	status, got, err := c.answer()
	switch {
	case err != nil:
		return err
	case status != 200:
		return fmt.Errorf("status %d: %s", status, got)
	case got != body:
		return fmt.Errorf("%d bytes that begin with %.20q, and not %d that begin with %.20q", len(got), got, len(body), body)
	}
	return nil
}

// answer reads a whole answer.
func (c *client) answer() (status int, body string, err error) {
	resp, err := http.ReadResponse(c.from, nil)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// arrived waits until what a client did has come to our end of its connection.
func arrived(t *testing.T, c *socket) {
	t.Helper()
	require.True(t, readable(t, int(c.fd), patience))
}

// knocked waits until somebody waits at the listener.
func (r *rig) knocked() {
	r.t.Helper()
	require.True(r.t, readable(r.t, r.loop.accepts[0].Listener, patience))
}

// readable reports whether a descriptor is, or becomes so in that time.
func readable(t *testing.T, fd int, within time.Duration) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(within/time.Millisecond))
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		return n > 0
	}
}

// site answers with the path that was asked for, or does something special.
type site struct {
	cache *filecache.Cache
	work  func() // slow work of /work
	hang  func() // what /hang does on the loop itself
}

// Files of the site: the cache has room for one of them.
var files = map[string]string{
	"/a.txt": strings.Repeat("a", large),
	"/b.txt": strings.Repeat("b", large),
}

func newSite(t *testing.T) *site {
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	s := &site{cache: filecache.New(root, filecache.Options{Open: 1}), work: func() {}}
	t.Cleanup(s.cache.Clear)
	return s
}

func (s *site) Serve(x *session.Exchange) {
	path := string(x.Path())
	switch {
	case path == "/work":
		x.Park(offload.Lookup, s.work, func() { reply(x, 200, "worked") })
	case path == "/hang":
		s.hang()
		reply(x, 200, "hung")
	case files[path] != "":
		s.file(x, path[1:])
	default:
		reply(x, 200, path)
	}
}

func (s *site) Refuse(x *session.Exchange, f fault.Fault) { reply(x, f.Status, f.Reason.String()) }

func (s *site) file(x *session.Exchange, name string) {
	now := x.Clock().Now()
	if e, ok := s.cache.Lookup([]byte(name), now); ok {
		send(x, e)
		return
	}
	var e *filecache.Entry
	var err error
	x.Park(offload.Lookup, func() { e, err = s.cache.Load(name, now) }, func() {
		if err != nil {
			panic(err)
		}
		send(x, e)
	})
}

func send(x *session.Exchange, e *filecache.Entry) {
	x.Begin(200, e.Size).End()
	x.WriteFile(e, 0, e.Size)
	x.Finish()
}

func reply(x *session.Exchange, status int, body string) {
	x.Begin(status, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

type silent struct{}

func (silent) Done(*session.Exchange)                     {}
func (silent) Refused(*session.Exchange, fault.Fault)     {}
func (silent) TurnedAway(netip.Addr, fault.Reason)        {}
func (silent) Unsecured(netip.Addr, fault.Reason, string) {}
func (silent) Broken(*session.Thread, error)              {}
func (silent) Panicked(_ *session.Exchange, v any)        { panic(v) }

// held makes the site's slow work wait. begun returns when a piece of it has begun, and
// letGo lets it end. What a test has not let go by its end, the end does.
func (r *rig) held() (begun, letGo func()) {
	started, end := make(chan struct{}, 9), make(chan struct{}, 9)
	r.t.Cleanup(func() { close(end) })
	r.site.work = func() {
		started <- struct{}{}
		<-end
	}
	begun = func() {
		r.t.Helper()
		select {
		case <-started:
		case <-time.After(patience):
			require.Fail(r.t, "the work does not begin")
		}
	}
	return begun, func() { end <- struct{}{} }
}

func TestATurnTakesABatchOfConnections(t *testing.T) {
	r := byHand(t, 1000)
	var clients []*client
	for range app.AcceptBatch + 3 {
		clients = append(clients, r.dial())
	}
	r.turn()
	require.Equal(t, app.AcceptBatch, r.loop.open)
	r.turn()
	require.Equal(t, app.AcceptBatch+3, r.loop.open)
	r.quiet("everybody is in, and nobody says anything")
	for i, c := range clients {
		path := fmt.Sprintf("/%d", i)
		c.ask(path)
		r.turn()
		c.hears(path)
	}
	st := r.loop.thread.Stats
	require.EqualValues(t, app.AcceptBatch+3, st.Conns())
	require.EqualValues(t, 2+app.AcceptBatch+3, st.Get(counters.Wakeups))
}

// Where more wait than a batch takes, they wait through the turns of those that are in already. No
// event tells of that, and the thread is late all the same.
func TestALateThreadCountsWhoWaitsAtTheListener(t *testing.T) {
	r := byHand(t, 1000)
	st := r.loop.thread.Stats
	r.connect()
	require.Zero(t, st.Get(counters.Waited))
	work := st.Get(counters.Work)
	var last *client
	for range app.AcceptBatch {
		last = r.dial()
	}
	raw, err := last.SyscallConn()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		waits := clock.Time(0)
		require.NoError(t, raw.Control(func(fd uintptr) { waits = sysnet.SinceArrival(int(fd)) }))
		return waits >= 10*clock.Millisecond
	}, patience, time.Millisecond)
	r.turn()
	require.EqualValues(t, 1+app.AcceptBatch, st.Get(counters.Work)-work)
	require.GreaterOrEqual(t, clock.Time(st.Get(counters.Waited)), app.AcceptBatch*5*clock.Millisecond)
}

func TestAConnectionBeyondTheLimitIsToldSo(t *testing.T) {
	r := byHand(t, 1)
	first, second := r.connect(), r.connect()
	status, why, err := second.answer()
	require.NoError(t, err)
	require.Equal(t, 503, status)
	require.Equal(t, fault.TooManyConnections.String(), why)
	second.Close()
	r.turn()
	require.Equal(t, 1, r.loop.open)
	first.ask("/")
	r.turn()
	first.hears("/")
	r.connect().Close()
}

// However many are ready at once, one turn answers them all: full groups, and what is left.
func TestOneTurnAnswersAllThatAreReady(t *testing.T) {
	r := byHand(t, 100)
	clients := make([]*client, 2*groupSize+1)
	for i := range clients {
		clients[i] = r.connect()
	}
	for i, c := range clients {
		c.ask(fmt.Sprintf("/%d", i))
	}
	r.turn()
	for i, c := range clients {
		c.hears(fmt.Sprintf("/%d", i))
	}
}

// Within a turn a connection ends, and a new one gets the number of its descriptor. An
// event that still means the old one is not for the new one.
func TestAnEventForAFormerOwnerIsNobodys(t *testing.T) {
	r := byHand(t, 10)
	begun, letGo := r.held()
	old := r.connect()
	former := r.conns()[0]
	next := r.dial()
	old.CloseWrite() // and not Close: that would free a number of the test's own
	arrived(t, former)
	r.knocked()
	n := r.loop.poll.Look(r.events, 0)
	require.Equal(t, 2, n)
	var stale event
	for _, e := range r.events[:n] {
		if e.Gen() == former.gen {
			stale = e
		}
	}
	r.loop.turn(r.events[:n])
	owner := r.conns()[0]
	require.Equal(t, former.fd, owner.fd)
	require.NotSame(t, former, owner)

	next.ask("/work")
	r.turn()
	begun()
	r.loop.turn([]event{stale})
	require.Zero(t, r.loop.opt.Slow.Len(), "its work is under way, and was begun a second time")
	letGo()
	r.turn()
	require.NoError(t, next.reads("worked"))

	next.CloseWrite()
	r.turn()
	require.Zero(t, r.loop.open)
	r.loop.turn([]event{stale}) // nor is it anybody's when nobody has the number
}

// Work that another thread does comes back by a wake-up, each time, and the wake-up is
// over when it has been heard.
func TestSlowWorkWakesTheLoop(t *testing.T) {
	r := byHand(t, 10)
	begun, letGo := r.held()
	c, other := r.connect(), r.connect()
	for range 3 {
		c.ask("/work")
		r.turn()
		begun()
		r.quiet("the work is under way")
		other.ask("/meanwhile")
		r.turn()
		other.hears("/meanwhile")
		letGo()
		r.turn()
		c.hears("worked")
		r.quiet("what the pool had done is collected")
	}
}

// What a client sends or does while its request is worked on is heard afterwards, and is
// not reported over and over until then.
func TestAParkedConnectionIsNotWatched(t *testing.T) {
	for _, tt := range []struct {
		name  string
		does  func(c *client)
		after func(r *rig, c *client)
	}{
		{
			"the client hangs up", func(c *client) { c.Close() },
			func(r *rig, _ *client) {
				for r.loop.open > 0 {
					r.turn()
				}
			},
		},
		{
			"the client resets the connection", func(c *client) { c.SetLinger(0); c.Close() },
			func(r *rig, _ *client) { require.Zero(r.t, r.loop.open) },
		},
		{
			"the client ends its direction", func(c *client) { c.CloseWrite() },
			func(r *rig, c *client) { c.hears("worked") },
		},
		{
			"the client asks for more", func(c *client) { c.ask("/next") },
			func(r *rig, c *client) { c.hears("worked"); r.turn(); c.hears("/next") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := byHand(t, 10)
			begun, letGo := r.held()
			c := r.connect()
			parked := r.conns()[0]
			c.ask("/work")
			r.turn()
			begun()
			tt.does(c)
			arrived(t, parked)
			r.quiet("nobody may touch the connection now")
			letGo()
			r.turn()
			require.False(t, parked.parked)
			tt.after(r, c)
		})
	}
}

// The poller is told only of a change: to wait for writing when an answer does not fit,
// and for reading again when it has left.
func TestInterestFollowsTheAnswer(t *testing.T) {
	r := byHand(t, 10)
	c := r.connect()
	require.NoError(t, c.SetReadBuffer(sockBuf)) // else it grows as it is read, until all of a file fits
	served := r.conns()[0]
	require.Equal(t, machine.WantRead, served.watch)
	for range 2 {
		c.ask("/a.txt")
		for served.watch != machine.WantWrite {
			r.turn()
			require.Equal(t, 1, r.loop.open)
		}
		var reading sync.WaitGroup
		reading.Go(func() {
			if err := c.reads(files["/a.txt"]); err != nil {
				t.Error(err)
			}
		})
		for !served.Idle() {
			r.turn()
		}
		reading.Wait()
		require.Equal(t, machine.WantRead, served.watch)
		r.quiet("the socket has room, and nobody wants to know")
	}
}

// waiter is a machine whose peer has said something, so that it waits for another machine until it
// is nudged.
type waiter struct {
	*session.Session
	waits, failed bool
}

func (w *waiter) Step() machine.Want {
	switch {
	case w.failed:
		return machine.WantClose
	case w.waits:
		return machine.WantPeer
	}
	return machine.WantRead
}
func (w *waiter) Reads() bool          { return !w.waits }
func (w *waiter) Recv() []byte         { return make([]byte, 10) }
func (w *waiter) Received(int)         { w.waits = true }
func (w *waiter) EOF()                 {}
func (w *waiter) Fail()                { w.failed = true }
func (w *waiter) Deadline() clock.Time { return clock.Never }

// While a machine waits for another one its peer is mostly silent, and what the poller is told
// would be taken back in a moment. A peer that is not silent is no reason to turn for nothing; and
// one that has gone is heard of in both cases.
func TestASocketIsWatchedForReadingUntilSomethingComesThatNobodyWants(t *testing.T) {
	for _, talks := range []bool{false, true} {
		t.Run(fmt.Sprint("its peer talks: ", talks), func(t *testing.T) {
			r := byHand(t, 10)
			c := r.connect()
			s := r.conns()[0]
			w := &waiter{Session: s.Machine.(*session.Session)}
			s.Machine = w
			for range 3 {
				c.Write([]byte("a"))
				r.turn()
				require.True(t, w.waits)
				r.loop.drive(s, false) // as if some of an answer has come
				require.Equal(t, machine.WantRead, s.watch)
				if talks {
					c.Write([]byte("b"))
					r.turn()
					require.Equal(t, machine.WantPeer, s.watch)
				}
				r.quiet("nobody wants to know")
				w.waits = false
				r.loop.drive(s, talks) // "b" is read, and waits for nobody
				w.waits = false
				r.loop.drive(s, false)
				require.Equal(t, machine.WantRead, s.watch)
			}
			c.Write([]byte("a"))
			r.turn()
			require.NoError(t, c.SetLinger(0))
			c.Close()
			for turns := 0; r.loop.open > 0; turns++ {
				require.Less(t, turns, 2)
				r.turn()
			}
			require.True(t, w.failed)
		})
	}
}

// A socket that took no more is reported once it has room. Until then news for its machine is no
// reason to try it.
func TestAFullSocketIsNotTriedBeforeItIsReported(t *testing.T) {
	r := byHand(t, 10)
	c := r.connect()
	served := r.conns()[0]
	c.ask("/a.txt")
	for !served.full {
		r.turn()
	}
	sent := served.Out().Sent()
	r.loop.Nudge(int(served.fd))
	for { // until there is room
		_, err := c.from.ReadByte()
		require.NoError(t, err)
		if n, _ := unix.Poll([]unix.PollFd{{Fd: served.fd, Events: unix.POLLOUT}}, 0); n > 0 {
			break
		}
	}
	r.loop.stepNudged()
	require.Equal(t, sent, served.Out().Sent())
	r.turn()
	require.Greater(t, served.Out().Sent(), sent)
}

func TestADeadlineIsNeverLookedForTooEarly(t *testing.T) {
	r := byHand(t, 10)
	l := r.loop
	var deadline timerwheel.Node[socket]
	const deadlines = 20
	waits := 0
	for i := range clock.Time(deadlines) {
		sysnet.ReadClock(&l.thread.Clock)
		at := l.thread.Clock.Now() + 2*clock.Millisecond + i*clock.Millisecond/deadlines
		l.wheel.Schedule(&deadline, int64(at))
		for l.thread.Clock.Now() < at {
			waits++
			require.Zero(t, l.wait(r.events))
			sysnet.ReadClock(&l.thread.Clock)
			l.wheel.Advance(int64(l.thread.Clock.Now()), func(*timerwheel.Node[socket]) {})
		}
	}
	require.LessOrEqual(t, waits, 3*deadlines, "waits for %d deadlines: those that end too early come in crowds", deadlines)
}

// A connection that is over has no deadline left: whoever has its number now would be
// closed in its place.
func TestAClosedConnectionLeavesNoDeadline(t *testing.T) {
	r := byHand(t, 10)
	old := r.connect()
	old.ask("/")
	r.turn()
	old.hears("/")
	old.Close()
	r.turn()
	require.Zero(t, r.loop.open)

	r.pass(r.srv.Timing.Idle - clock.Second)
	c := r.connect()
	r.pass(2 * clock.Second)
	require.Equal(t, 1, r.loop.open)
	c.ask("/still-here")
	r.turn()
	c.hears("/still-here")
	r.pass(r.srv.Timing.Idle + clock.Second)
	require.Zero(t, r.loop.open, "its own deadline counts")
	_, err := c.from.ReadByte()
	require.Equal(t, io.EOF, err)
}

// A listener stays readable when nothing can be accepted for want of descriptors. The loop
// lets it be for a moment, and those who wait there are served afterwards.
func TestOutOfDescriptorsNothingIsAcceptedForAMoment(t *testing.T) {
	r := byHand(t, 10)
	served := r.connect()
	clients := []*client{r.dial(), r.dial(), r.dial()}
	r.knocked()
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	none := old
	none.Cur = 3 // not even the spare descriptor's number can be had then
	for range 2 {
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
		n := r.loop.poll.Look(r.events, 0)
		r.loop.turn(r.events[:n])
		r.pass(0)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
		require.Equal(t, 1, n)
		require.Equal(t, 1, r.loop.open)
		r.quiet("three clients knock, and nobody listens")
		r.pass(exhaustedPause - clock.Millisecond)
		r.quiet("the pause is not over")
		served.ask("/meanwhile")
		r.turn()
		served.hears("/meanwhile")
		r.pass(exhaustedPause)
	}
	require.Equal(t, 1, strings.Count(r.logged.String(), "Out of descriptors"), "said once")
	for i, c := range clients {
		c.ask(fmt.Sprintf("/%d", i))
	}
	for r.loop.open < 4 {
		r.turn()
	}
	for i, c := range clients {
		for !c.answered() {
			r.turn()
		}
		c.hears(fmt.Sprintf("/%d", i))
	}
}

func TestDraining(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig)
	}{
		{"who waits at the listener is still served", func(r *rig) {
			c := r.dial()
			c.ask("/just-in-time")
			r.knocked()
			r.srv.Drain()
			r.loop.drain() // before any turn in which the listener would have been heard
			require.Equal(r.t, 1, r.loop.open)
			for !c.answered() {
				r.turn()
			}
			c.hears("/just-in-time")
		}},
		{"nobody else is", func(r *rig) {
			r.drain()
			r.deserted()
		}},
		{"not even after a pause that was under way", func(r *rig) {
			r.loop.pause(sysnet.ErrExhausted)
			r.drain()
			r.pass(2 * exhaustedPause)
			r.deserted()
		}},
		{"who is idle gets a moment, and no more", func(r *rig) {
			c := r.connect()
			r.drain()
			require.Equal(r.t, 1, r.loop.open)
			c.ask("/on-its-way")
			r.turn()
			c.hears("/on-its-way")
		}},
		{"who stays idle is let go", func(r *rig) {
			c := r.connect()
			r.drain()
			r.pass(2 * clock.Second)
			require.Zero(r.t, r.loop.open)
			_, err := c.from.ReadByte()
			require.Equal(r.t, io.EOF, err)
		}},
		{"slow work is waited for", func(r *rig) {
			begun, letGo := r.held()
			c := r.connect()
			c.ask("/work")
			r.turn()
			begun()
			r.drain()
			r.pass(2 * clock.Second)
			require.Equal(r.t, 1, r.loop.open)
			letGo()
			r.turn()
			c.hears("worked")
		}},
		{"a cut ends what is left, behind its slow work", func(r *rig) {
			begun, letGo := r.held()
			half, busy := r.connect(), r.connect()
			io.WriteString(half, "GET / HT")
			r.turn()
			busy.ask("/work")
			r.turn()
			begun()
			r.drain()
			r.loop.Cut()
			r.turn()
			require.Equal(r.t, 1, r.loop.open, "the work has the connection")
			letGo()
			r.turn()
			require.Zero(r.t, r.loop.open)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.do(byHand(t, 10)) })
	}
}

// deserted says that nobody listens any more.
func (r *rig) deserted() {
	r.t.Helper()
	_, err := net.Dial("tcp", r.addr)
	require.ErrorIs(r.t, err, unix.ECONNREFUSED)
	r.quiet("the poller does not watch the listener")
}

// drain has the loop drain, as another thread would.
func (r *rig) drain() {
	r.t.Helper()
	r.srv.Drain()
	r.loop.Drain()
	r.turn()
	require.True(r.t, r.loop.draining)
}

func TestAHalfClosedClientGetsItsWholeAnswer(t *testing.T) {
	r := run(t)
	c := r.dial()
	c.ask("/a.txt")
	require.NoError(t, c.CloseWrite())
	c.hears(files["/a.txt"])
	_, err := c.from.ReadByte()
	require.Equal(t, io.EOF, err, "and then the end")
}

// The cache keeps one file open. Who is in the middle of another one has it to the end.
func TestAFileThatLeavesTheCacheIsSentToItsEnd(t *testing.T) {
	r := run(t)
	r.dial().gets("/a.txt", files["/a.txt"])
	slow := r.dial()
	slow.ask("/a.txt")
	_, err := slow.from.Peek(1)
	require.NoError(t, err, "its answer has begun")
	r.dial().gets("/b.txt", files["/b.txt"])
	slow.hears(files["/a.txt"])
	require.Equal(t, 1, r.site.cache.Stats().Open)
}

// Everything at once, for the race detector: threads that work and threads that ask, and
// then an end in which nothing is lost.
func TestALoopRunsToItsEnd(t *testing.T) {
	r := newRig(t, 1000)
	var worked atomic.Int64
	r.site.work = func() { worked.Add(1) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.loop.Run()
	}()
	const clients, rounds = 8, 20
	var all sync.WaitGroup
	for i := range clients {
		c := r.dial()
		all.Go(func() {
			for n := range rounds {
				path := fmt.Sprintf("/%d/%d", i, n)
				c.ask("/work")
				c.ask(path)
				if err := errors.Join(c.reads("worked"), c.reads(path)); err != nil {
					t.Error(err)
					return
				}
			}
			if i%2 == 0 {
				c.Close()
			}
			r.loop.thread.Stats.Conns()
		})
	}
	all.Wait()
	r.srv.Drain()
	r.loop.Drain()
	select {
	case <-ended:
	case <-time.After(patience):
		require.Fail(t, "it still runs", "%d connections", r.loop.thread.Stats.Conns())
	}
	require.EqualValues(t, clients*rounds, worked.Load())
	require.Zero(t, r.loop.thread.Stats.Conns())
	require.Zero(t, r.srv.Conns())
}

// With all the connections that it can have, a loop leaves the listener alone, and comes
// back when one has ended. Nobody is refused meanwhile: another loop may have room.
func TestAFullLoopLeavesTheListenerToOthers(t *testing.T) {
	r := byHand(t, 10)
	r.loop.limit = 2
	first := r.connect()
	r.connect()
	waiting := r.dial()
	waiting.ask("/waited")
	r.knocked()
	r.quiet("it is full, and does not want to know who comes")
	require.Equal(t, 2, r.loop.open)

	first.CloseWrite()
	r.turn()
	require.Equal(t, 1, r.loop.open)
	r.turn()
	waiting.hears("/waited")
	require.Equal(t, 2, r.loop.open)
}

// Of two loops that share a listener the kernel would wake the same one each time, on a
// quiet server. One that is ahead lets the other go first.
func TestALoopThatIsAheadLetsTheOthersGoFirst(t *testing.T) {
	const connections = 100
	first := byHand(t, 10*connections)
	sharers := func() int64 { return 2 }
	shared, err := sysnet.Duplicate(first.loop.accepts[0].Listener)
	require.NoError(t, err)
	first.loop.opt.Sharers = sharers
	second, err := New(Options{
		Thread:    session.NewThread(first.srv, counters.New(1).Slot(0), "loop-2", 8),
		Log:       slog.New(slog.DiscardHandler),
		Listeners: []app.Listener{{FD: shared}},
		Slow:      first.loop.opt.Slow,
		Sharers:   sharers,
	})
	require.NoError(t, err)
	var thread sync.WaitGroup
	thread.Go(second.Run)
	var firsts sync.WaitGroup
	stop := make(chan struct{})
	firsts.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n := first.loop.poll.Wait(first.events, 10)
				first.loop.turn(first.events[:n])
			}
		}
	})
	dial := func() int64 {
		first.dial().gets("/", "/")
		return first.loop.thread.Stats.Conns() + second.thread.Stats.Conns()
	}
	for second.thread.Stats.Conns() == 0 || first.loop.thread.Stats.Conns() == 0 {
		require.Less(t, dial(), int64(9*connections), "both are there")
	}
	all := dial()
	for range connections {
		all = dial()
	}
	close(stop)
	firsts.Wait()
	require.InDelta(t, all/2, first.loop.thread.Stats.Conns(), float64(all/8+headStart+sharedBatch))
	first.srv.Drain()
	second.Drain()
	second.Cut()
	thread.Wait()
}

// A loop that is watched shows that it goes on, with nothing to do as well; and one that
// hangs does not, whatever else the process does: another loop beats on.
func TestTheHeartBeatsWithTheLoop(t *testing.T) {
	hanging, other := newRig(t, 10), newRig(t, 10)
	begun, letGo := make(chan struct{}), make(chan struct{})
	hanging.site.hang = func() {
		close(begun)
		<-letGo
	}
	beats := func(r *rig) {
		t.Helper()
		entry := r.srv.Stats.Process(0)
		before := entry.Beat.Load()
		require.Eventually(t, func() bool { return entry.Beat.Load() > before }, patience, time.Millisecond)
	}
	var threads sync.WaitGroup
	for _, r := range []*rig{hanging, other} {
		r.loop.opt.Watched, r.loop.opt.Beat = r.srv.Stats.Process(0), clock.Millisecond
		threads.Go(r.loop.Run)
	}
	t.Cleanup(func() {
		for _, r := range []*rig{hanging, other} {
			r.srv.Drain()
			r.loop.Drain()
		}
		threads.Wait()
	})
	beats(hanging)
	beats(hanging)
	hanging.dial().ask("/hang")
	<-begun
	stopped := hanging.srv.Stats.Process(0).Beat.Load()
	for range 20 {
		beats(other)
	}
	require.Equal(t, stopped, hanging.srv.Stats.Process(0).Beat.Load())
	close(letGo)
	beats(hanging)
}

// Whoever wakes a loop may come late: a drain that is cut at its very end, work of the pool
// that is done. The number of a descriptor that the loop had closed by then would be another's,
// and get eight bytes that are not meant for it.
func TestALateWakeUpGoesToNobodyElse(t *testing.T) {
	r := newRig(t, 10)
	r.srv.Drain()
	r.loop.Drain()
	r.loop.Run() // it has nothing to wait for
	var pairs [8][2]int
	for i := range pairs { // they get the numbers that are free, the lowest first (socketpair(2))
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		require.NoError(t, err)
		pairs[i] = pair
	}
	r.loop.Cut()
	for _, pair := range pairs {
		for end, fd := range pair {
			n, _, err := unix.Recvfrom(fd, make([]byte, 16), unix.MSG_DONTWAIT)
			require.Equal(t, unix.EAGAIN, err, "descriptor %d got %d bytes", pair[1-end], n)
		}
	}
	for _, pair := range pairs {
		unix.Close(pair[0])
		unix.Close(pair[1])
	}
	r.loop.Close()
}

// What is not HTTP gets no answer where there is no room, but whoever reads the statistics and
// the log is told as ever.
func TestAConnectionThatIsNotHTTPIsTurnedAwayAndCounted(t *testing.T) {
	r := byHand(t, 0)
	told := &turnedAway{}
	r.srv.Observer = told
	r.loop.accepts[0].open = func(*session.Thread, session.Admission, netip.AddrPort, int) machine.Machine {
		panic("there was room")
	}
	c := r.connect()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.Equal(t, []fault.Reason{fault.TooManyConnections}, told.whys)
	require.EqualValues(t, 1, r.srv.Stats.Refused(fault.TooManyConnections))
	require.EqualValues(t, 1, r.srv.Stats.Total(counters.Dropped))
}

// turnedAway notes why clients were turned away.
type turnedAway struct {
	silent
	whys []fault.Reason
}

func (o *turnedAway) TurnedAway(_ netip.Addr, why fault.Reason) { o.whys = append(o.whys, why) }

// Of the loops that share a listener the kernel wakes one for a connection. It may be killed
// before it accepts, and the others sleep on.
func TestALoopThatNothingWokeLooksForConnectionsThatNobodyHasTaken(t *testing.T) {
	r := byHand(t, 10)
	r.loop.opt.Sharers = func() int64 { return 1 }
	r.loop.poll.Remove(r.loop.accepts[0].Listener) // somebody else was woken
	c := r.dial()
	c.ask("/a.txt")
	for end := time.Now().Add(patience); len(r.conns()) == 0; {
		require.True(t, time.Now().Before(end), "it has not come")
		r.loop.turn(nil)
	}
	require.NoError(t, r.loop.poll.AddListener(r.loop.accepts[0].Listener, listenGen))
	for !c.answered() {
		r.turn()
	}
}

// Go allocates small things in classes of sizes: 192 bytes, 208, 224. What an idle connection
// costs is this, and the kernel's part.
func TestAConnectionFitsItsSizeClass(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(conn{}), uintptr(192))
}

// A listener whose connections have no room is left alone, and those beside it are not. Who makes
// room is perhaps another thread, so the loop looks again by itself.
func TestAListenerThatIsToWaitIsLeftAlone(t *testing.T) {
	r := byHand(t, 10)
	l := r.loop
	full := true
	l.accepts[0].full = func() bool { return full }
	l.adjustListening()
	c := r.dial()
	c.ask("/a.txt")
	require.Zero(t, l.poll.Wait(r.events, 50), "nobody looks")
	l.acceptReady()
	require.Empty(t, r.conns(), "nor is anything accepted")
	wait, ok := l.wheel.Next(int64(r.now))
	require.True(t, ok)
	require.LessOrEqual(t, wait, int64(exhaustedPause)+int64(time.Millisecond))
	r.pass(exhaustedPause + clock.Millisecond)
	require.False(t, l.accepts[0].watched)
	full = false
	r.pass(exhaustedPause + clock.Millisecond)
	for !c.answered() {
		r.turn()
	}
	full = true
	l.drain()
	require.False(t, l.accepts[0].watched)
}

// A user of the system may watch so many sockets and no more, and memory may be short: that ends no
// server.
func TestAListenerThatCannotBeWatchedIsTriedAgain(t *testing.T) {
	if overUring != nil {
		t.Skip("a ring watches nothing")
	}
	for _, lack := range []error{unix.ENOSPC, unix.ENOMEM} {
		t.Run(lack.Error(), func(t *testing.T) {
			r := newRig(t, 10)
			tries := 0
			r.loop.addListener = func(fd int, gen uint32) error {
				if tries++; tries <= 2 {
					return lack
				}
				return r.loop.poll.AddListener(fd, gen)
			}
			r = readied(t, r)
			require.Equal(t, 1, tries)
			r.pass(0)
			require.Equal(t, 1, tries, "not in each turn")
			r.pass(2 * exhaustedPause)
			require.Equal(t, 2, tries)
			require.Equal(t, 1, strings.Count(r.logged.String(), lack.Error()), "it is said once")
			r.pass(2 * exhaustedPause)
			require.Equal(t, 3, tries)
			require.True(t, r.loop.listening)
			c, err := net.Dial("tcp", r.addr)
			require.NoError(t, err)
			defer c.Close()
			r.turn()
			require.Equal(t, 1, r.loop.open)
		})
	}
	t.Run("any other error is a fault of ours", func(t *testing.T) {
		r := newRig(t, 10)
		r.loop.addListener = func(int, uint32) error { return unix.EBADF }
		require.Panics(t, func() { readied(t, r) })
		r.loop.addListener = r.loop.poll.AddListener
	})
}
