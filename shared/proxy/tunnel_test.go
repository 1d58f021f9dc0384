package proxy

// Connections that are no HTTP any more, as scripts like those of script_test.go, and with sides
// that do not read.
//
// What must not be done: no byte of a client may reach a target before its 101.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
)

const (
	upgrade  = "GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)

// tunnels is how many there are, as the server tells.
func tunnels(n int64) step {
	return func(r *rig) { r.t.Helper(); require.Equal(r.t, n, r.set.States()[0].Tunnels()) }
}

func TestTunnels(t *testing.T) {
	request := func(r *rig) {
		got := r.target().Take()
		require.Contains(r.t, strings.ToLower(got), "\r\nupgrade: websocket\r\n")
		require.Contains(r.t, strings.ToLower(got), "\r\nconnection: upgrade\r\n")
		require.True(r.t, strings.HasSuffix(got, "\r\n\r\n"), "nothing behind it: %q", got)
	}
	for _, tt := range []struct {
		name   string
		script []step
	}{
		{"bytes go both ways, and each direction ends on its own", []step{
			clientSends(upgrade), request, tunnels(0), targetSends(switched), tunnels(1), clientGets(switched), clientSends("GET / nonsense\r\n"), targetGets("GET / nonsense\r\n"),
			targetSends("\x00\x81"), clientGets("\x00\x81"), clientEnds, targetIs("ended"), targetSends("more"), clientGets("more"), clientIs("open"), tunnels(1),
			targetEnds, clientIs("closed"), targetIs("closed"), tunnels(0), logs("101 http://127.0.0.1:9000 0 0 0"),
		}},
		{"the target ends first", []step{
			clientSends(upgrade), request, targetSends(switched), clientGets(switched), targetEnds, clientIs("ended"), clientSends("more"), targetGets("more"),
			clientEnds, targetIs("closed"), clientIs("closed"),
		}},
		{"what the client sends too early waits for the 101", []step{
			clientSends(upgrade + "early"), request, pause(clock.Second), targetSends(switched), targetGets("early"), clientSends("more"), targetGets("more"),
		}},
		{"what the target sends behind its 101 is passed on", []step{
			clientSends(upgrade), request, targetSends(switched + "first"), clientGets(switched + "first"),
		}},
		{"a target that does not switch gets nothing of it", []step{
			clientSends(upgrade + get), request, targetSends(hello), clientGets(hello), targetGets(got), targetSends(hello), clientGets(hello),
		}},
		{"one that switches to something else is not followed", []step{
			clientSends(upgrade), request, targetSends(strings.Replace(switched, "websocket", "h2c", 1)), clientGets(refused("502 Bad Gateway", "upstream-malformed")), targetIs("reset"),
		}},
		{"nor one that was not asked", []step{
			clientSends(get), targetGets(got), targetSends(switched), clientGets(refused("502 Bad Gateway", "upstream-malformed")), targetIs("reset"),
		}},
		{"a reset is passed on to the target", []step{
			clientSends(upgrade), request, targetSends(switched), clientBreaks, targetIs("reset"), tunnels(0),
		}},
		{"a reset is passed on to the client", []step{
			clientSends(upgrade), request, targetSends(switched), targetBreaks, clientIs("reset"), tunnels(0), func(r *rig) { require.Empty(r.t, r.ev.refused) },
		}},
		{"an hour of silence ends it", []step{
			clientSends(upgrade), request, targetSends(switched), pause(3599 * clock.Second), clientSends("x"), pause(3599 * clock.Second), targetSends("y"),
			pause(3600*clock.Second - 1), clientIs("open"), pause(1), clientIs("reset"), targetIs("reset"),
		}},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, byte by byte %v", tt.name, bytewise), func(t *testing.T) {
				r := newRig(t, bytewise, func(s *setting) { s.up.TunnelTimeout = 3600 * clock.Second })
				for _, step := range tt.script {
					step(r)
				}
			})
		}
	}
}

func TestEachSideOfATunnelHoldsTheOtherUp(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 3600 * clock.Second })
	r.send(r.client, upgrade)
	r.send(r.target(), switched)
	r.client.Take()
	r.target().Take()
	r.client.Room, r.target().Room = 0, 0
	const piece = 8 << 10
	up, down := 0, 0
	for r.client.Want&machine.WantRead != 0 {
		r.send(r.client, strings.Repeat("u", piece))
		up += piece
	}
	for r.target().Want&machine.WantRead != 0 {
		r.send(r.target(), strings.Repeat("d", piece))
		down += piece
	}
	require.Less(t, up, 256<<10)
	require.Less(t, down, 256<<10)
	r.client.Room, r.target().Room = -1, -1
	r.Run()
	require.Len(t, r.client.Take(), down)
	require.Len(t, r.target().Take(), up)
	r.send(r.client, "u")
	r.send(r.target(), "d")
	require.Equal(t, "d", r.client.Take())
	require.Equal(t, "u", r.target().Take())
}

// A side that has said all and closed, of a Unix socket or after the other's direction had ended,
// has hung up. What it has sent before is passed on all the same.
func TestWhatWasSentBeforeAHangUpIsPassedOn(t *testing.T) {
	const piece, pieces = 8 << 10, 40
	begin := func(t *testing.T, ask, answer string) *rig {
		r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 3600 * clock.Second })
		r.send(r.client, ask)
		r.send(r.target(), answer)
		r.client.Take()
		r.target().Take()
		return r
	}
	fill := func(s *machinetest.Socket) {
		for range pieces {
			s.Send(strings.Repeat("x", piece))
		}
	}
	t.Run("by a target, into a tunnel", func(t *testing.T) {
		r := begin(t, upgrade, switched)
		r.client.Room = 0
		fill(r.target())
		targetHangsUp(r)
		require.Equal(t, "open", stateOf(r.client))
		r.client.Room = -1
		r.Run()
		require.Len(t, r.client.Take(), pieces*piece)
		require.Equal(t, "closed", stateOf(r.target()))
		require.Equal(t, "ended", stateOf(r.client))
		clientEnds(r)
		require.Equal(t, "closed", stateOf(r.client))
	})
	t.Run("by a target whose client says more", func(t *testing.T) {
		r := begin(t, upgrade, switched)
		r.target().Send("bye")
		targetHangsUp(r)
		require.Equal(t, "bye", r.client.Take())
		r.send(r.client, "more")
		r.pass(2 * clock.Second)
		require.Equal(t, "closed", stateOf(r.client))
	})
	t.Run("by a target, as an answer that ends with its connection", func(t *testing.T) {
		r := begin(t, get, "HTTP/1.1 200 OK\r\n\r\n")
		r.client.Room = 0
		fill(r.target())
		targetHangsUp(r)
		r.client.Room = -1
		r.Run()
		require.Equal(t, "{"+strings.Repeat("x", pieces*piece)+"}{}", joined("HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + r.client.Take())[len("HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"):])
		require.Equal(t, "open", stateOf(r.client))
	})
	t.Run("by a client, into a tunnel", func(t *testing.T) {
		r := begin(t, upgrade, switched)
		r.target().Room = 0
		fill(r.client)
		clientHangsUp(r)
		r.target().Room = -1
		r.Run()
		require.Len(t, r.target().Take(), pieces*piece)
		require.Equal(t, "closed", stateOf(r.target()))
		require.True(t, r.client.Closed)
	})
	t.Run("but not by one that was reset", func(t *testing.T) {
		r := begin(t, upgrade, switched)
		r.client.Room = 0
		fill(r.target())
		targetBreaks(r)
		require.Equal(t, "reset", stateOf(r.client))
	})
	t.Run("and a target that takes nothing is not waited for long", func(t *testing.T) {
		r := begin(t, upgrade, switched)
		r.target().Room = 0
		r.client.Send("last words")
		clientHangsUp(r)
		require.False(t, r.target().Closed)
		r.pass(30 * clock.Second)
		require.Equal(t, "reset", stateOf(r.target()))
	})
}

// What ends a tunnel ends it also where its client hangs up in the same moment, and the driver has
// not noticed yet.
func TestATunnelEndsWithItsTargetWhileItsClientHangsUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		quiet step // brings the tunnel to where nothing is wanted of the client's socket
	}{
		{"the client has said all", clientEnds},
		{"the target has said all, and takes nothing of the client", func(r *rig) {
			targetEnds(r)
			r.target().Room = 0
			for r.client.Want&machine.WantRead != 0 {
				r.send(r.client, strings.Repeat("u", 8<<10))
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 3600 * clock.Second })
			r.send(r.client, upgrade)
			r.send(r.target(), switched)
			tt.quiet(r)
			require.Equal(t, machine.WantPeer, r.client.Want)
			r.client.Send("more")
			r.thread.HungUp = func(int) bool { return true }
			targetBreaks(r)
			require.Equal(t, "reset", stateOf(r.target()))
			require.Equal(t, "reset", stateOf(r.client))
		})
	}
}

// Only the time for tunnels counts in one, and not what was left of an answer's.
func TestATunnelWhoseTargetTakesNothingWaitsQuietly(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 3600 * clock.Second })
	r.send(r.client, upgrade)
	r.send(r.target(), switched)
	r.target().Room = 0
	r.send(r.client, "hello")
	r.pass(3599 * clock.Second)
	require.Equal(t, "open", stateOf(r.client))
	r.target().Room = -1
	r.Run()
	require.True(t, strings.HasSuffix(r.target().Take(), "hello"))
}

// A client of a tunnel that has ended has as long as its reading allows, whenever it stops.
func TestAClientThatStopsReadingWhatAnEndedTunnelHasLeftIsGivenUp(t *testing.T) {
	const piece = 64 << 10
	for taken := range 10 {
		t.Run(fmt.Sprint("after ", taken, " pieces"), func(t *testing.T) {
			r := newRig(t, false, func(s *setting) {
				s.up.TunnelTimeout = 3600 * clock.Second
				s.queues.Memory = 1 << 20
			})
			r.send(r.client, upgrade)
			r.send(r.target(), switched)
			r.client.Room = 0
			for range 10 {
				r.send(r.target(), strings.Repeat("d", piece))
			}
			clientEnds(r)
			targetEnds(r)
			require.Equal(t, "closed", stateOf(r.target()))
			r.client.Room = int64(taken * piece)
			r.Run()
			require.Equal(t, "open", stateOf(r.client))
			for range 30 {
				r.pass(5 * clock.Second)
			}
			require.Equal(t, "reset", stateOf(r.client))
		})
	}
}

func TestATunnelIsNotSilentWhileItsClientReads(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 60 * clock.Second })
	r.send(r.client, upgrade)
	r.send(r.target(), switched)
	r.client.Room = 0
	for r.target().Want&machine.WantRead != 0 {
		r.send(r.target(), strings.Repeat("d", 8<<10))
	}
	for range 10 {
		r.pass(40 * clock.Second)
		r.client.Room = 1000
		r.Run()
	}
	require.Equal(t, "open", stateOf(r.client))
	r.pass(60 * clock.Second)
	require.Equal(t, "reset", stateOf(r.client), "now it is")
}

// What came in time may lie in a socket that has not had its turn yet.
func TestATunnelsTimeBeginsAgainWhereTheServerWasSuspended(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 60 * clock.Second })
	r.send(r.client, upgrade)
	r.send(r.target(), switched)
	r.pass(3600 * clock.Second)
	require.Equal(t, "open", stateOf(r.client))
	r.pass(60 * clock.Second)
	require.Equal(t, "reset", stateOf(r.client))
}

// What lies in the kernel is read long before there is room for more: on either side.
func TestATunnelIsNotSilentWhileTheKernelsBuffersAreRead(t *testing.T) {
	for _, side := range []string{"client", "target"} {
		t.Run(side, func(t *testing.T) {
			r := newRig(t, false, func(s *setting) { s.up.TunnelTimeout = 60 * clock.Second })
			held := int64(0)
			r.thread.Unsent = func(int) int64 { return held }
			r.send(r.client, upgrade)
			r.send(r.target(), switched)
			holds := func(n int64) {
				if side == "target" {
					r.target().Held = n
				} else {
					held = n
				}
			}
			for left := range int64(5) {
				holds(5000 - 1000*left)
				r.pass(60 * clock.Second)
				require.Equal(t, "open", stateOf(r.client))
			}
			r.pass(60 * clock.Second)
			require.Equal(t, "reset", stateOf(r.client), "nothing of it was read any more")
		})
	}
}
