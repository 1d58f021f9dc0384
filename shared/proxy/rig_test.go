package proxy

// A client, a session with the handler, and targets, all in memory. What the two ends do is a
// script: bytes and pauses as data, which is played whole and byte by byte.

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
	"fourways/shared/session"
	"fourways/shared/spill"
	"fourways/shared/stats"
	"fourways/shared/upstream"
)

// site is what is not passed on.
type site struct{ precedes bool }

func (s *site) Serve(x *session.Exchange) { answer(x, 200, "the site's") }
func (s *site) Refuse(x *session.Exchange, f fault.Fault) {
	answer(x, f.Status, f.Reason.String())
}
func (s *site) Open(*session.Exchange, bool) bool { return false }
func (s *site) Precedes(x *session.Exchange) bool {
	if s.precedes {
		answer(x, 308, "")
	}
	return s.precedes
}

func answer(x *session.Exchange, status int, body string) {
	x.Begin(status, int64(len(body))).End()
	x.Write([]byte(body))
	x.Finish()
}

// events notes what the log is told.
type events struct {
	done    []string
	refused []string
}

func (e *events) Done(x *session.Exchange) {
	u := x.Upstream()
	e.done = append(e.done, fmt.Sprintf("%d %s %d %d %d", x.Status(), u.Name, u.Connect/clock.Second, u.Head/clock.Second, u.Whole/clock.Second))
}
func (e *events) Refused(_ *session.Exchange, f fault.Fault) {
	e.refused = append(e.refused, f.Reason.String())
}
func (e *events) TurnedAway(netip.Addr, fault.Reason)        {}
func (e *events) Unsecured(netip.Addr, fault.Reason, string) {}
func (e *events) Broken(*session.Thread, error)              {}
func (e *events) Panicked(_ *session.Exchange, v any)        { panic(v) }

type rig struct {
	*machinetest.Driver
	t        testing.TB
	srv      *session.Server
	thread   *session.Thread
	ev       *events
	site     *site
	set      *upstream.Set
	client   *machinetest.Socket
	bytewise bool
}

// setting is what a test may want to be otherwise.
type setting struct {
	opt     Options
	targets int
	up      upstream.Options
	rules   []string
	queues  spill.Config
}

// newRig has one rule, for all paths, with one target.
func newRig(t testing.TB, bytewise bool, change func(*setting)) *rig {
	r := &rig{t: t, ev: &events{}, site: &site{}, bytewise: bytewise}
	r.srv = &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 512, Head: 2048, Fields: 32, Body: 4 << 20}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 300 * clock.Second, MinRate: 240},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Observer: r.ev,
		MaxConns: 100,
	}
	r.thread = session.NewThread(r.srv, r.srv.Stats.Slot(0), "loop-1", 7)
	r.Driver = &machinetest.Driver{Now: r.thread.Clock.Now}
	r.thread.Host, r.thread.HungUp = r.Driver, r.Driver.OnlyHungUp
	r.thread.Clock.Set(1000*clock.Second, 784111777e9)
	s := &setting{targets: 1, rules: []string{"/"}}
	s.opt = Options{Site: r.site}
	s.queues = spill.Config{Memory: 64 << 10}
	s.up = upstream.Options{Timeout: 30 * clock.Second, Connect: 5 * clock.Second, Idle: 4, Region: upstream.NewRegion(1), Now: r.thread.Clock.Now, Sockets: r.Driver}
	if change != nil {
		change(s)
	}
	var group []upstream.Target
	for i := range s.targets {
		group = append(group, upstream.Target{Name: fmt.Sprintf("http://127.0.0.1:%d", 9000+i), Host: "127.0.0.1", Port: uint16(9000 + i)})
	}
	var groups [][]upstream.Target
	for range s.rules {
		groups = append(groups, group)
	}
	var err error
	r.set, err = upstream.New(s.up, groups)
	require.NoError(t, err)
	for i, prefix := range s.rules {
		s.opt.Rules = append(s.opt.Rules, Rule{Prefix: prefix, Group: r.set.Groups[i]})
	}
	s.opt.Queues, err = spill.New(s.queues)
	require.NoError(t, err)
	s.opt.Set = r.set
	r.srv.Handler = New(s.opt)
	r.connect()
	return r
}

// connect has another client connect.
func (r *rig) connect() {
	peer := netip.MustParseAddrPort("192.0.2.7:1234")
	r.client = r.Open(func(fd int) machine.Machine {
		adm, why := r.thread.Admit(peer.Addr(), fd)
		require.Equal(r.t, fault.NoReason, why)
		s := new(session.Session)
		s.Open(r.thread, adm, peer, fd)
		return s
	})
	r.Run()
}

func (r *rig) pass(d clock.Time) {
	r.thread.Clock.Set(r.thread.Clock.Now()+d, r.thread.Clock.UnixNano()+int64(d))
	r.Run()
}

// target is the connection to a target that was opened last.
func (r *rig) target() *machinetest.Socket {
	for i := len(r.Sockets) - 1; i >= 0; i-- {
		if s := r.Sockets[i]; s.To.IP.IsValid() {
			return s
		}
	}
	require.Fail(r.t, "no target was asked")
	return nil
}

// targets is how many connections to targets have been opened.
func (r *rig) targets() (n int) {
	for _, s := range r.Sockets {
		if s.To.IP.IsValid() {
			n++
		}
	}
	return n
}

func (r *rig) send(s *machinetest.Socket, text string) {
	pieces := []string{text}
	if r.bytewise {
		pieces = strings.Split(text, "")
	}
	s.Send(pieces...)
	r.Run()
}

// step is one thing that happens in a script, or that must have happened by then.
type step func(*rig)

func clientSends(text string) step { return func(r *rig) { r.send(r.client, text) } }
func targetSends(text string) step { return func(r *rig) { r.send(r.target(), text) } }
func pause(d clock.Time) step      { return func(r *rig) { r.pass(d) } }
func clientEnds(r *rig)            { r.client.End(); r.Run() }
func clientBreaks(r *rig)          { r.client.Break(); r.Run() }
func targetEnds(r *rig)            { r.target().End(); r.Run() }
func targetBreaks(r *rig)          { r.target().Break(); r.Run() }
func clientHangsUp(r *rig)         { r.client.HangUp(); r.Run() }
func targetHangsUp(r *rig)         { r.target().HangUp(); r.Run() }

// clientGets is what the client has got since it was asked last.
func clientGets(text string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, text, plain(r.client.Take())) }
}

// targetGets is the same of the target. All of the body is one there, whatever its chunks.
func targetGets(text string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, text, unmarked(r.target().Take())) }
}

// clientIs and targetIs say what has become of a connection: open, closed, or reset.
func clientIs(state string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, state, stateOf(r.client)) }
}

func targetIs(state string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, state, stateOf(r.target())) }
}

// clientIsRead says that all that the client has sent was read.
func clientIsRead(r *rig) {
	r.t.Helper()
	require.Zero(r.t, r.client.Unread(), "bytes of the client that are not read")
}

func stateOf(s *machinetest.Socket) string {
	switch {
	case s.Reset:
		return "reset"
	case s.Closed:
		return "closed"
	case s.Shut:
		return "ended"
	}
	return "open"
}

func logs(lines ...string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, lines, r.ev.done) }
}

func refuses(reasons ...string) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, reasons, r.ev.refused) }
}

// plain is an answer without what every one has that keeps its connection open, and without the
// chunks of its body.
func plain(s string) string {
	s = strings.ReplaceAll(s, "Connection: keep-alive\r\nKeep-Alive: timeout=30\r\n", "")
	s = addedByUs.ReplaceAllString(s, "")
	return joined(s)
}

// unmarked is a request without what we add to each.
func unmarked(s string) string { return joined(addedByUs.ReplaceAllString(s, "")) }

var addedByUs = regexp.MustCompile(`(?m)^(Via|X-Forwarded-\w+|X-Request-Id|Forwarded|Server: fourways|Date: Sun, 06 Nov 1994)[^\n]*\n`)

// joined joins the chunks of a body, so that it does not matter how it was cut: {body}, and what
// ends it is {}.
func joined(s string) string {
	head, body, found := strings.Cut(s, "\r\n\r\n")
	switch {
	case !found || !strings.Contains(s, "HTTP/1.1"):
		head, body = "", s
	case !strings.Contains(head, "Transfer-Encoding: chunked"):
		return s
	default:
		head += "\r\n\r\n"
	}
	text, ends := "", ""
	for body != "" {
		size, rest, ok := strings.Cut(body, "\r\n")
		n, err := strconv.ParseUint(size, 16, 32)
		if !ok || err != nil || len(rest) < int(n)+2 {
			return s // it is not chunked
		}
		if n == 0 {
			ends = "{}"
		}
		text, body = text+rest[:n], rest[n+2:]
	}
	if text != "" {
		text = "{" + text + "}"
	}
	return head + text + ends
}
