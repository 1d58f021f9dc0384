package session

// What a session does for a handler that passes requests on to another server: bodies that somebody
// else asks for, answers that are another's, connections that stop being HTTP.
//
// The rig plays driver, client and clock, and the test is the handler.

// What a session does for a handler that passes requests on to another server.

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/machine"
)

// passing is a Handler whose Serve a test writes.
type passing struct {
	*script
	serve func(x *Exchange)
}

func (p passing) Serve(x *Exchange) { p.serve(x) }

// newPassing is a rig whose requests the test serves.
func newPassing(t *testing.T, serve func(*Exchange)) *rig {
	r := newRig(t)
	r.thread.Host = &host{}
	r.srv.Handler = passing{r.h, serve}
	return r
}

const expecting = "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

func TestABodyThatSomebodyElseIsToAskFor(t *testing.T) {
	var x *Exchange
	begin := func(t *testing.T) *rig {
		r := newPassing(t, func(given *Exchange) {
			x = given
			x.PassBody(&upload{x.s.thread.Server.Handler.(passing).script})
		})
		r.send(expecting)
		require.Empty(t, r.got, "nobody has asked for it")
		require.Equal(t, machine.WantRead, r.lastAsk)
		require.True(t, r.s.Reads())
		return r
	}
	t.Run("nobody is too slow before that", func(t *testing.T) {
		r := begin(t)
		require.Equal(t, clock.Never, r.s.Deadline())
		r.pass(100 * clock.Second)
		require.False(t, r.over)
		x.Continue()
		r.step()
		require.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", string(r.got))
		x.Continue()
		r.step()
		require.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", string(r.got), "once")
		r.pass(rateGrace - 1)
		require.Empty(t, r.statuses()[1:])
		r.send("abc")
		require.Contains(t, string(r.got), "got abc")
		require.Equal(t, machine.WantRead, r.lastAsk)
	})
	t.Run("and after that the client is", func(t *testing.T) {
		r := begin(t)
		r.pass(100 * clock.Second)
		x.Continue()
		r.step()
		r.pass(rateGrace)
		require.Equal(t, []string{"100", "408"}, r.statuses())
	})
	t.Run("it comes unasked", func(t *testing.T) {
		r := begin(t)
		r.pass(100 * clock.Second)
		r.send("ab")
		require.NotEqual(t, clock.Never, r.s.Deadline())
		r.send("c")
		require.Equal(t, []string{"200"}, r.statuses())
	})
	t.Run("it is not wanted", func(t *testing.T) {
		r := begin(t)
		x.DropBody()
		x.BeginRelayed(417, 0).End()
		x.Finish()
		x.Nudge()
		r.step()
		require.Contains(t, string(r.got), "417")
		require.Contains(t, string(r.got), "Connection: close", "the client may send it or not")
		require.True(t, r.shut)
		require.Zero(t, r.h.aborted)
	})
	t.Run("the client leaves", func(t *testing.T) {
		r := begin(t)
		r.eof()
		require.Equal(t, []string{"400"}, r.statuses())
		require.Equal(t, 1, r.h.aborted)
	})
}

func TestAnAnswerOfAnotherServer(t *testing.T) {
	var x *Exchange
	r := newPassing(t, func(given *Exchange) {
		x = given
		x.Wait(func() { r := x.s.thread.Server.Handler.(passing); r.aborted++ })
	})
	r.send(request("x"))
	x.Interim(103, []byte("Link: </a>\r\n"))
	x.Nudge()
	r.step()
	require.Equal(t, "HTTP/1.1 103 \r\nLink: </a>\r\n\r\n", string(r.got))
	require.Equal(t, machine.WantPeer, r.lastAsk, "it goes on waiting")
	h := x.BeginRelayed(200, 5)
	h.Field("Server", "theirs")
	h.End()
	x.Write([]byte("hel"))
	require.Positive(t, x.Pending())
	x.SetUpstream(Upstream{Name: "there"})
	t.Run("is cut where it cannot be completed", func(t *testing.T) {
		x.Cut(fault.Of(fault.UpstreamCut))
		r.step()
		require.True(t, strings.HasSuffix(string(r.got), "\r\n\r\nhel"), "what is there is sent: %q", r.got)
		require.False(t, r.over, "its length is known, so the client can tell")
		r.s.EOF()
		r.step()
		require.True(t, r.over)
		require.False(t, r.s.Abortive())
		require.Equal(t, []string{"upstream-cut-short"}, r.ev.refused)
		require.Zero(t, r.h.aborted, "whoever cuts knows")
		require.Equal(t, []int{200}, r.ev.done)
	})
	t.Run("no later request has its upstream", func(t *testing.T) {
		r.connect()
		r.send(request("y"))
		require.Empty(t, x.Upstream().Name)
	})
}

// pipe is a Tunnel that notes what comes.
type pipe struct {
	got               string
	full, ended, gone bool
	rooms, moves      int
}

func (p *pipe) FromClient(b []byte, ref chain.Ref) {
	p.got += string(b)
	if ref != nil {
		ref.Release()
	}
}
func (p *pipe) ClientEnds() { p.ended = true }
func (p *pipe) Takes() bool { return !p.full }
func (p *pipe) Room()       { p.rooms++ }
func (p *pipe) Moved()      { p.moves++ }
func (p *pipe) Gone()       { p.gone = true }

func TestATunnel(t *testing.T) {
	var x *Exchange
	begin := func(t *testing.T, behind string) (*rig, *pipe) {
		r := newPassing(t, func(given *Exchange) { x = given; x.Wait(nil) })
		r.send(request("x") + behind)
		p := &pipe{}
		x.Tunnel([]byte("Upgrade: y\r\n"), p)
		r.step()
		require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: y\r\n\r\n", string(r.got))
		r.got = nil
		return r, p
	}
	t.Run("bytes go both ways, whatever they are", func(t *testing.T) {
		r, p := begin(t, "behind")
		require.Equal(t, "behind", p.got)
		r.send("\x00GET / HTTP/1.1\r\n\r\n")
		require.Equal(t, "behind\x00GET / HTTP/1.1\r\n\r\n", p.got)
		x.Write([]byte("\x00back"))
		r.step()
		require.Equal(t, "\x00back", string(r.got))
		require.Equal(t, clock.Never, r.s.Deadline())
	})
	t.Run("both ways are waited for at once", func(t *testing.T) {
		r, p := begin(t, "")
		r.held = true
		x.Write([]byte("back"))
		r.step()
		require.Equal(t, machine.WantRead|machine.WantWrite, r.lastAsk)
		require.True(t, r.s.Reads())
		p.full = true
		r.step()
		require.Equal(t, machine.WantWrite, r.lastAsk)
		require.False(t, r.s.Reads())
		r.held = false
		r.step()
		require.Equal(t, machine.WantPeer, r.lastAsk)
		require.Positive(t, p.rooms)
		require.False(t, r.s.Idle())
	})
	t.Run("a client that reads slowly is not too slow", func(t *testing.T) {
		r, _ := begin(t, "")
		r.held = true
		x.Write([]byte("back"))
		r.step()
		r.unsent = 4
		r.pass(1000 * clock.Second)
		require.False(t, r.over)
	})
	t.Run("but it is told that it reads", func(t *testing.T) {
		r, p := begin(t, "")
		p.moves = 0
		r.held = true
		x.Write([]byte("back"))
		r.step()
		require.Zero(t, p.moves)
		r.held = false
		r.step()
		r.step()
		require.Equal(t, 1, p.moves)
	})
	t.Run("once the other end has ended, a client that reads nothing is too slow", func(t *testing.T) {
		r, _ := begin(t, "")
		r.held = true
		x.Write([]byte("back"))
		x.EndTunnel()
		r.step()
		r.unsent = 4
		for range 30 {
			r.pass(5 * clock.Second)
		}
		require.True(t, r.over)
		require.True(t, r.s.Abortive())
		require.Equal(t, []string{"reader-too-slow"}, r.ev.refused)
	})
	t.Run("also if it reads nothing of what the kernel holds, and has ended itself", func(t *testing.T) {
		r, _ := begin(t, "")
		x.Write(make([]byte, 64<<10))
		x.EndTunnel()
		r.unsent = 64 << 10
		r.step()
		r.eof()
		require.False(t, r.over, "else the kernel would hold it for nobody's account")
		for range 30 {
			r.pass(5 * clock.Second)
		}
		require.True(t, r.over)
		require.True(t, r.s.Abortive())
		require.Equal(t, []string{"reader-too-slow"}, r.ev.refused)
	})
	t.Run("and one that has read it is let go at once", func(t *testing.T) {
		r, _ := begin(t, "")
		x.Write(make([]byte, 64<<10))
		x.EndTunnel()
		r.unsent = 64 << 10
		r.step()
		r.eof()
		r.unsent = 0
		r.pass(firstLook)
		require.True(t, r.over)
		require.False(t, r.s.Abortive())
	})
	t.Run("an end both ways leaves the client a moment to read it", func(t *testing.T) {
		r, p := begin(t, "")
		x.Write([]byte("back"))
		x.CloseTunnel()
		x.EndTunnel()
		r.step()
		require.Equal(t, "back", string(r.got))
		require.False(t, r.over)
		r.send("more")
		require.Empty(t, p.got)
		r.pass(LingerTime)
		require.True(t, r.over)
		require.False(t, r.s.Abortive())
	})
	t.Run("the client ends, then the other end", func(t *testing.T) {
		r, p := begin(t, "")
		r.eof()
		require.True(t, p.ended)
		require.False(t, r.s.Reads())
		x.Write([]byte("more"))
		r.step()
		require.Equal(t, "more", string(r.got))
		x.EndTunnel()
		r.step()
		require.True(t, r.over && p.gone)
		require.False(t, r.s.Abortive())
		require.Equal(t, []int{101}, r.ev.done)
		require.EqualValues(t, 4, r.ev.sent)
	})
	t.Run("the other end first, after what it has said", func(t *testing.T) {
		r, p := begin(t, "")
		x.Write([]byte("last"))
		x.EndTunnel()
		r.step()
		require.Equal(t, "last", string(r.got))
		require.True(t, r.shut)
		require.False(t, r.over)
		r.send("more")
		require.Equal(t, "more", p.got)
		r.eof()
		require.True(t, r.over && p.gone)
	})
	t.Run("a client that breaks", func(t *testing.T) {
		r, p := begin(t, "")
		r.s.Fail()
		r.step()
		require.True(t, r.over && p.gone)
	})
	t.Run("the next connection is HTTP again", func(t *testing.T) {
		r, _ := begin(t, "")
		r.s.Fail()
		r.step()
		r.srv.Handler = r.h
		r.connect()
		r.send(request("a"))
		require.Equal(t, []string{"200"}, r.statuses())
	})
}
