package upstream

// One link to a target: what its user is told, and what becomes of the connection.
//
// The test plays the target and the user; the driver and the sockets are in memory. Answers are
// played whole and byte by byte.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
	"fourways/shared/sysnet"
)

// What a user is told of an answer, and what becomes of its connection, whole and byte by byte.
func TestAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string
		then   string // "end" or "break": what the target does after it
		told   string
		body   string
		kept   bool
	}{
		{"of known length is kept", hello, "", "connected, 200, end", "hello", true},
		{"in chunks is kept", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "", "connected, 200, end", "hello", true},
		{"without a body is kept", "HTTP/1.1 204 No Content\r\n\r\n", "", "connected, 204, end", "", true},
		{"after interim ones is kept", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + hello, "", "connected, interim 103, interim 102, 200, end", "hello", true},
		{"that ends with the connection", "HTTP/1.1 200 OK\r\n\r\nhello", "end", "connected, 200, end", "hello", false},
		{"that announces the close is not kept", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "", "connected, 200, end", "hello", false},
		{"of HTTP/1.0 is not kept", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "", "connected, 200, end", "hello", false},
		{"whose connection is not kept open by its own word", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\nContent-Length: 5\r\n\r\nhello", "", "connected, 200, end", "hello", false},
		{"with a byte too many is whole, and not kept", hello + "x", "", "connected, 200, end", "hello", false},
		{"that never comes", "", "end", fmt.Sprintf("connected, lost %d", Broken), "", false},
		{"that breaks off in its head", "HTTP/1.1 200 OK\r\nConte", "end", fmt.Sprintf("connected, lost %d", Broken), "", false},
		{"that breaks off in its body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "end", fmt.Sprintf("connected, 200, lost %d", Broken), "hello", false},
		{"that is reset in its body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "break", fmt.Sprintf("connected, 200, lost %d", Broken), "hello", false},
		{"that ends with a reset", "HTTP/1.1 200 OK\r\n\r\nhello", "break", fmt.Sprintf("connected, 200, lost %d", Broken), "hello", false},
		{"without its last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "end", fmt.Sprintf("connected, 200, lost %d", Broken), "hello", false},
		{"that is no HTTP", "220 mail.example ESMTP\r\n", "", fmt.Sprintf("connected, lost %d", Malformed), "", false},
		{"of HTTP/0.9", "<html>hello</html>\r\n", "end", fmt.Sprintf("connected, lost %d", Malformed), "", false},
		{"with a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "", fmt.Sprintf("connected, 200, lost %d", Malformed), "", false},
		{"whose head is too long", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 17), "", fmt.Sprintf("connected, lost %d", Malformed), "", false},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, byte by byte %v", tt.name, bytewise), func(t *testing.T) {
				r := newRig(t, 1, nil)
				a := r.ask(0)
				r.Run()
				target := r.last()
				require.Equal(t, "GET / HTTP/1.1\r\n\r\n", target.Take())
				if bytewise {
					target.Send(strings.Split(tt.answer, "")...)
				} else {
					target.Send(tt.answer)
				}
				r.Run()
				switch tt.then {
				case "end":
					target.End()
				case "break":
					target.Break()
				}
				r.Run()
				require.Equal(t, tt.told, a.all())
				require.Equal(t, tt.body, a.body)
				if bytewise && tt.name == "with a byte too many is whole, and not kept" {
					require.True(t, target.Closed, "closed by the byte, though it was idle before that")
					return
				}
				require.Equal(t, !tt.kept, target.Closed)
				require.Equal(t, 0, r.local.at[0].inFlight)
				require.EqualValues(t, 0, r.set.states[0].InFlight())
			})
		}
	}
}

func TestAConnectionThatIsKeptIsUsedAgainUntilItsTimeIsOver(t *testing.T) {
	answered := func(t *testing.T, r *rig, answer string) {
		a := r.ask(0)
		r.Run()
		r.last().Send(answer)
		r.Run()
		require.Contains(t, a.all(), "200, end")
	}
	t.Run("used again, it holds no buffers meanwhile", func(t *testing.T) {
		r := newRig(t, 1, nil)
		answered(t, r, hello)
		require.Nil(t, r.local.at[0].idle[0].client)
		require.Len(t, r.local.clients, 1)
		answered(t, r, hello)
		require.Len(t, r.Sockets, 1)
		require.EqualValues(t, 1, r.set.states[0].Conns())
	})
	for name, tt := range map[string]struct {
		answer string
		kept   clock.Time
	}{
		"four seconds":        {hello, 4 * clock.Second},
		"the target's time":   {strings.Replace(hello, "\r\n", "\r\nKeep-Alive: timeout=2\r\n", 1), 2*clock.Second - clock.Second/2},
		"a longer time of it": {strings.Replace(hello, "\r\n", "\r\nKeep-Alive: timeout=60\r\n", 1), 4 * clock.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			answered(t, r, tt.answer)
			r.pass(tt.kept - 1)
			require.False(t, r.last().Closed)
			r.pass(1)
			require.True(t, r.last().Closed)
			require.Empty(t, r.local.at[0].idle)
			require.EqualValues(t, 0, r.set.states[0].Conns())
		})
	}
	for name, happens := range map[string]func(*rig){
		"its target closes it":    func(r *rig) { r.last().End() },
		"its target resets it":    func(r *rig) { r.last().Break() },
		"something comes unasked": func(r *rig) { r.last().Send("HTTP/1.1 408 Request Timeout\r\n\r\n") },
		"the server is to end":    func(r *rig) { r.thread.Server.Drain(); r.Nudge(r.local.at[0].idle[0].fd) },
		"there is another Set":    func(r *rig) { r.set.Retire(); r.Nudge(r.local.at[0].idle[0].fd) },
	} {
		t.Run("until "+name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			answered(t, r, hello)
			happens(r)
			r.Run()
			require.True(t, r.last().Closed)
			require.Empty(t, r.local.at[0].idle)
		})
	}
	t.Run("as many as there may be", func(t *testing.T) {
		r := newRig(t, 1, func(o *Options) { o.Idle = 2 })
		for range 3 {
			r.ask(0)
		}
		r.Run()
		for _, s := range r.Sockets {
			s.Send(hello)
		}
		r.Run()
		require.Len(t, r.local.at[0].idle, 2)
		require.True(t, r.Sockets[2].Closed)
	})
	for name, happens := range map[string]func(*rig){
		"while the server stops": func(r *rig) { r.thread.Server.Drain() },
		"for a Set that was":     func(r *rig) { r.set.Retire() },
	} {
		t.Run("not "+name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			r.ask(0)
			r.Run()
			happens(r)
			r.last().Send(hello)
			r.Run()
			require.True(t, r.last().Closed)
		})
	}
}

func TestAKeptConnectionThatItsTargetHasClosed(t *testing.T) {
	kept := func(t *testing.T) *rig {
		r := newRig(t, 1, nil)
		r.ask(0)
		r.Run()
		r.last().Send(hello)
		r.Run()
		return r
	}
	t.Run("has overtaken the request", func(t *testing.T) {
		for _, how := range []func(*rig){func(r *rig) { r.last().End() }, func(r *rig) { r.last().Break() }} {
			r := kept(t)
			a := r.ask(0)
			r.Run()
			how(r)
			r.Run()
			require.Equal(t, fmt.Sprintf("lost %d", Overtaken), a.all())
			require.Zero(t, r.set.states[0].row.failed.Load(), "that is its right")
		}
	})
	t.Run("or was faster than it", func(t *testing.T) {
		says := func(r *rig) { r.last().Send("HTTP/1.1 408 Request Timeout\r\n\r\n") }
		for _, how := range []func(*rig){func(r *rig) { r.last().End() }, func(r *rig) { r.last().Break() }, says} {
			r := kept(t)
			a := r.ask(0)
			r.last().Take()
			how(r) // at the same moment
			r.Run()
			require.Equal(t, fmt.Sprintf("lost %d", Unasked), a.all())
			require.Empty(t, r.last().Take())
			require.True(t, r.last().Closed)
			require.Zero(t, r.set.states[0].row.failed.Load())
		}
	})
	t.Run("or spoke after the loop had looked, and before the request was written", func(t *testing.T) {
		for _, how := range []func(*rig){func(r *rig) { r.last().Send(hello) }, func(r *rig) { r.last().End() }, func(r *rig) { r.last().Break() }} {
			r := kept(t)
			a := r.ask(0)
			how(r) // and the loop, which writes first, does not read
			require.Equal(t, machine.WantClose, a.link.Step())
			require.Equal(t, fmt.Sprintf("lost %d", Unasked), a.all())
		}
	})
	t.Run("but not once it has answered", func(t *testing.T) {
		r := kept(t)
		a := r.ask(0)
		r.Run()
		r.last().Send("H")
		r.last().End()
		r.Run()
		require.Equal(t, fmt.Sprintf("lost %d", Broken), a.all())
	})
	t.Run("is not given to a request that cannot be repeated", func(t *testing.T) {
		r := kept(t)
		r.last().End()
		a := &asker{}
		link, err := r.local.Link(r.set.states[0], a, SilentKept)
		require.NoError(t, err)
		require.False(t, link.Ready())
		require.Len(t, r.Sockets, 2)
		r.Run()
		require.True(t, r.Sockets[0].Closed)
	})
	t.Run("nor is any kept one while no more retries are allowed", func(t *testing.T) {
		r := kept(t)
		for r.local.MayRetry() {
		}
		r.ask(0)
		require.Len(t, r.Sockets, 2)
	})
	t.Run("nor, once that has happened, one for which no retry would be left if all others needed theirs", func(t *testing.T) {
		r := newRig(t, 1, func(o *Options) { o.Idle = 32 })
		askAll := func(n int) {
			for range n {
				r.ask(0)
			}
			r.Run()
		}
		askAll(budgetLeast + 6)
		for _, s := range r.Sockets {
			s.Send(hello)
		}
		r.Run()
		askAll(1)
		opened := len(r.Sockets)
		under := slices.IndexFunc(r.Sockets, func(s *machinetest.Socket) bool { return strings.Count(string(s.Got), "GET") == 2 })
		r.Sockets[under].End()
		r.Run()
		askAll(budgetLeast)
		require.Len(t, r.Sockets, opened)
		askAll(3)
		require.Len(t, r.Sockets, opened+3, "the budget has no more")
		for _, s := range r.Sockets {
			s.Send(hello)
		}
		r.Run()
		askAll(budgetLeast)
		require.Len(t, r.Sockets, opened+3, "who was answered needs none")
		for _, s := range r.Sockets {
			s.End()
		}
		r.Run()
		for range budgetLeast {
			require.True(t, r.local.MayRetry())
		}
	})
	t.Run("once that has happened under a request, no kept one is for a while", func(t *testing.T) {
		r := kept(t)
		r.ask(0)
		r.last().End()
		r.Run()
		ask := func(which Kept) int {
			a := &asker{}
			a.link, _ = r.local.Link(r.set.states[0], a, which)
			a.link.Client().Begin([]byte("GET"), []byte("/"), http1.NoBody).End()
			a.link.Client().Finish()
			r.Run()
			r.last().Send(hello)
			r.Run()
			return len(r.Sockets)
		}
		n := ask(AnyKept)
		require.Equal(t, n, ask(AnyKept))
		require.Equal(t, n+1, ask(SilentKept))
		r.thread.Clock.Set(r.thread.Clock.Now()+distrust, 0)
		require.Equal(t, n+1, ask(SilentKept))
	})
}

func TestConnecting(t *testing.T) {
	slow := func(t *testing.T) (*rig, *asker) {
		r := newRig(t, 1, nil)
		r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
		a := r.ask(0)
		r.Run()
		require.Empty(t, a.told)
		require.Equal(t, machine.WantWrite, r.last().Want)
		return r, a
	}
	t.Run("what is written leaves when it is there", func(t *testing.T) {
		r, a := slow(t)
		r.pass(clock.Second)
		r.last().Pending = false
		r.Run()
		require.Equal(t, "connected", a.all())
		require.Equal(t, "GET / HTTP/1.1\r\n\r\n", r.last().Take())
		require.Equal(t, clock.Second, a.link.Times().Connected-a.link.Times().Began)
	})
	t.Run("refused", func(t *testing.T) {
		r, a := slow(t)
		r.last().Err = unix.ECONNREFUSED
		r.Run()
		require.Equal(t, fmt.Sprintf("lost %d", NotConnected), a.all())
		require.True(t, r.last().Closed)
		require.EqualValues(t, 1, r.set.states[0].Total(Refused))
	})
	t.Run("too slow", func(t *testing.T) {
		r, a := slow(t)
		r.pass(5*clock.Second - 1)
		require.Empty(t, a.told)
		r.pass(1)
		require.Equal(t, fmt.Sprintf("lost %d", SlowConnect), a.all())
	})
	t.Run("refused at once", func(t *testing.T) {
		r := newRig(t, 1, nil)
		r.Connects = func(sysnet.Addr) error { return unix.ECONNREFUSED }
		_, err := r.local.Link(r.set.states[0], &asker{}, AnyKept)
		require.ErrorIs(t, err, unix.ECONNREFUSED)
		require.EqualValues(t, 1, r.set.states[0].Total(Refused))
		require.Zero(t, r.local.at[0].inFlight)
	})
	t.Run("dropped meanwhile", func(t *testing.T) {
		r, a := slow(t)
		a.link.Drop()
		r.Run()
		require.True(t, r.last().Closed)
		require.Empty(t, a.told)
		require.Zero(t, r.local.at[0].inFlight)
	})
	crowded := func(t *testing.T) (*rig, *asker) {
		r := newRig(t, 1, nil)
		r.Connects = func(sysnet.Addr) error { return unix.EAGAIN }
		a := r.ask(0)
		r.Run()
		require.Empty(t, a.told)
		require.Equal(t, machine.WantPeer, r.last().Want)
		return r, a
	}
	t.Run("to a Unix socket whose queue is full, until there is room", func(t *testing.T) {
		r, a := crowded(t)
		tries := 0
		r.Connects = func(sysnet.Addr) error { tries++; return unix.EAGAIN }
		for range 300 {
			r.pass(10 * clock.Millisecond)
		}
		require.Less(t, tries, 20, "it is tried less and less often")
		placeholder := r.last()
		r.Connects = nil
		r.pass(longestKnock)
		require.True(t, placeholder.Closed)
		require.Equal(t, "connected", a.all())
		require.Equal(t, "GET / HTTP/1.1\r\n\r\n", r.last().Take())
		require.Zero(t, r.set.states[0].Total(Refused))
		require.EqualValues(t, 1, r.set.states[0].Conns())
		r.last().Send(hello)
		r.Run()
		require.Equal(t, "connected, 200, end", a.all())
		require.Zero(t, r.local.at[0].inFlight)
		require.Len(t, r.local.at[0].idle, 1)
	})
	for name, tt := range map[string]struct {
		play func(*rig, *asker)
		told string
	}{
		"which stays full": {func(r *rig, _ *asker) { r.pass(5 * clock.Second) }, fmt.Sprintf("lost %d", SlowConnect)},
		"whose server ends meanwhile": {func(r *rig, _ *asker) {
			r.Connects = func(sysnet.Addr) error { return unix.ECONNREFUSED }
			r.pass(clock.Second)
		}, fmt.Sprintf("lost %d", NotConnected)},
		"of a server that cuts what is left": {func(r *rig, _ *asker) { r.last().Break(); r.Run() }, fmt.Sprintf("lost %d", NotConnected)},
		"by a user who leaves":               {func(r *rig, a *asker) { a.link.Drop(); r.Run() }, ""},
	} {
		t.Run("to a Unix socket whose queue is full, "+name, func(t *testing.T) {
			r, a := crowded(t)
			tt.play(r, a)
			require.Equal(t, tt.told, a.all())
			require.True(t, r.last().Closed)
			require.Zero(t, r.local.at[0].inFlight)
			require.Zero(t, r.set.states[0].Conns())
		})
	}
	t.Run("to the next address after one that cannot be reached", func(t *testing.T) {
		r := newRig(t, 1, nil)
		two := append(r.set.states[0].where.Addrs(), sysnet.Addr{Path: "/second"})
		r.set.states[0].where.Know(two)
		r.Connects = func(a sysnet.Addr) error {
			if a.Path == "" {
				return unix.EINPROGRESS
			}
			return nil
		}
		r.ask(0)
		r.last().Err = unix.ECONNREFUSED
		r.Run()
		r.ask(0)
		require.Equal(t, "/second", r.last().To.Path)
		r.ask(0)
		require.Equal(t, "/second", r.last().To.Path, "it stays with the one that works")
	})
	t.Run("to the next address also where several have tried one that cannot be reached", func(t *testing.T) {
		r := newRig(t, 1, nil)
		two := append(r.set.states[0].where.Addrs(), sysnet.Addr{Path: "/second"})
		r.set.states[0].where.Know(two)
		r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
		fail := func(connections int, to string) {
			t.Helper()
			begun := len(r.Sockets)
			for range connections {
				r.ask(0)
				require.Equal(t, to, r.last().To.Path)
			}
			for _, s := range r.Sockets[begun:] {
				s.Err = unix.ECONNREFUSED
			}
			r.Run()
		}
		fail(2*failuresToRest, "")
		require.False(t, r.set.states[0].Resting(), "it may be well at the other one")
		fail(1, "/second")
		fail(2, "")
		require.True(t, r.set.states[0].Resting(), "it is at none")
		require.EqualValues(t, 2*failuresToRest+3, r.set.states[0].Total(Refused))
	})
}

func TestATargetThatIsSilentForTooLong(t *testing.T) {
	lost := fmt.Sprintf("lost %d", TooLate)
	for _, tt := range []struct {
		name string
		play func(r *rig, a *asker)
		told string
	}{
		{"says nothing", func(r *rig, a *asker) {}, "connected, " + lost},
		{"stops in its head", func(r *rig, a *asker) { r.pass(20 * clock.Second); r.last().Send("HTTP/1.1 2"); r.Run() }, "connected, " + lost},
		{"stops in its body", func(r *rig, a *asker) { r.last().Send("HTTP/1.1 200 OK\r\n\r\nhe"); r.Run() }, "connected, 200, " + lost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			a := r.ask(0)
			r.Run()
			tt.play(r, a)
			r.pass(30*clock.Second - 1)
			require.NotContains(t, a.all(), lost)
			r.pass(1)
			require.Equal(t, tt.told, a.all())
			require.True(t, r.last().Closed)
		})
	}
	t.Run("is not to blame while its user takes no more", func(t *testing.T) {
		r := newRig(t, 1, nil)
		a := r.ask(0)
		a.full = 1
		r.Run()
		r.last().Send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", "cd")
		r.Run()
		require.Equal(t, "ab", a.body, "the rest is not even read")
		require.Equal(t, machine.WantPeer, r.last().Want)
		r.pass(300 * clock.Second)
		require.Equal(t, "connected, 200", a.all())
		a.full = 0
		a.link.Resume()
		r.Run()
		require.Equal(t, "connected, 200, end", a.all())
	})
	t.Run("nor while it waits for the rest of the request, unless it is to ask for that", func(t *testing.T) {
		r := newRig(t, 1, nil)
		a := &asker{}
		a.link, _ = r.local.Link(r.set.states[0], a, AnyKept)
		a.link.Client().Begin([]byte("POST"), []byte("/"), 5).End()
		r.Run()
		r.pass(300 * clock.Second)
		require.Equal(t, "connected", a.all())
		a.link.Expect(true)
		a.link.Push()
		r.Run()
		r.pass(30 * clock.Second)
		require.Equal(t, "connected, "+lost, a.all())
	})
	t.Run("does not take the request", func(t *testing.T) {
		r := newRig(t, 1, nil)
		a := &asker{}
		a.link, _ = r.local.Link(r.set.states[0], a, AnyKept)
		a.link.Client().Begin([]byte("POST"), []byte("/"), 1<<20).End()
		r.last().Room = 100
		a.link.Client().Write(make([]byte, 1000))
		r.Run()
		r.pass(20 * clock.Second)
		r.last().Room = 100
		r.Run()
		r.pass(30*clock.Second - 1)
		require.Equal(t, "connected", a.all(), "some of it was taken")
		r.pass(1)
		require.Equal(t, "connected, "+lost, a.all())
	})
	for name, tt := range map[string]struct {
		held []int64 // by the kernel, each time that the target has been silent for as long as it may be
		told string
	}{
		"has got all of the request":                      {[]int64{0}, "connected, " + lost},
		"has got nothing of it, and may be gone":          {[]int64{1 << 20}, "connected, " + lost},
		"gets more of it, and then all":                   {[]int64{900, 500, 0}, "connected"},
		"gets more of it, and no more then":               {[]int64{900, 500, 500}, "connected, " + lost},
		"gets more of it, and then all, and says nothing": {[]int64{900, 0, 0}, "connected, " + lost},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			a := &asker{}
			a.link, _ = r.local.Link(r.set.states[0], a, AnyKept)
			a.link.Client().Begin([]byte("POST"), []byte("/"), 1000).End()
			a.link.Client().Write(make([]byte, 1000))
			a.link.Client().Finish()
			r.Run()
			for _, held := range tt.held {
				require.Equal(t, "connected", a.all())
				r.last().Held = held
				r.pass(30 * clock.Second)
			}
			require.Equal(t, tt.told, a.all())
		})
	}
}

func TestAnUploadWaitsForRoom(t *testing.T) {
	r := newRig(t, 1, nil)
	a := &asker{}
	a.link, _ = r.local.Link(r.set.states[0], a, AnyKept)
	c := a.link.Client()
	c.Begin([]byte("POST"), []byte("/"), http1.UnknownLength).End()
	r.last().Room = 0
	c.Write(make([]byte, FullAt))
	require.True(t, a.link.Full())
	a.link.Push()
	r.Run()
	require.Equal(t, "connected", a.all())
	r.last().Room = FullAt - roomAt
	r.Run()
	require.Equal(t, "connected", a.all())
	r.last().Room = 200
	r.Run()
	r.last().Room = 1
	r.Run()
	require.Equal(t, "connected, room", a.all())
	c.Finish()
	r.last().Room = -1
	a.link.Push()
	r.Run()
	r.last().Send(hello)
	r.Run()
	require.Equal(t, "connected, room, 200, end", a.all())
	require.False(t, r.last().Closed)
}

// A target that refuses an upload answers, closes, and resets the connection when more comes.
func TestAnAnswerThatCameBeforeTheConnectionBrokeCounts(t *testing.T) {
	for name, answer := range map[string][]string{
		"whole":        {"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"},
		"in two reads": {"HTTP/1.1 413 Content Too Large\r\nContent-Le", "ngth: 2\r\n\r\nno"},
		"paused by it": {"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nn", "o"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			a := &asker{full: 1}
			a.link, _ = r.local.Link(r.set.states[0], a, AnyKept)
			a.link.Client().Begin([]byte("POST"), []byte("/"), 1<<20).End()
			r.Run()
			a.link.Client().Write(make([]byte, 100))
			r.last().Send(answer...)
			r.last().Break()
			a.link.Push()
			r.Run()
			require.Equal(t, "connected, 413, end", a.all())
			require.Equal(t, "no", a.body)
			require.True(t, r.last().Closed)
		})
	}
}

// Much of a body is read at once, up to its end and no further, and its user gets the very memory.
func TestALargeBodyIsReadInLargePieces(t *testing.T) {
	const size = 310_000
	body := strings.Repeat("0123456789", size/10)
	for _, tt := range []struct {
		name, head, tail, told string
		kept                   bool
	}{
		{"of known length", fmt.Sprintf("Content-Length: %d\r\n\r\n", size), "", "connected, 200, end", true},
		{"of known length, with bytes behind it", fmt.Sprintf("Content-Length: %d\r\n\r\n", size), "HTTP/1.1 200 OK\r\n", "connected, 200, end", false},
		{"in one chunk", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size), "\r\n0\r\n\r\n", "connected, 200, end", true},
		{"until the close", "\r\n", "", "connected, 200", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			a := r.ask(0)
			r.Run()
			r.last().Send("HTTP/1.1 200 OK\r\n" + tt.head + body + tt.tail)
			r.Run()
			require.Equal(t, tt.told, a.all())
			require.True(t, body == a.body)
			require.Equal(t, tt.kept, !r.last().Closed)
			require.Equal(t, 5, a.large, "pieces")
		})
	}
}

// A large body of which much has come goes by pipes, as far as it goes and no further, if its user
// takes them.
func TestALargeBodyGoesByPipes(t *testing.T) {
	const size = 1 << 20
	body := strings.Repeat("0123456789abcdef", size/16)
	length := fmt.Sprintf("Content-Length: %d\r\n\r\n", size)
	for _, tt := range []struct {
		name, head, tail string
		most             int    // pipes that there are
		takes            bool   // whether the user takes them
		comes            int    // bytes of the body that come
		then             string // "end" or "break"
		told             string
		piped, kept      bool
	}{
		{"of known length", length, "", 1, true, size, "", "connected, 200, end", true, true},
		{"with bytes behind it", length, "HTTP/1.1 200 OK\r\n", 1, true, size, "", "connected, 200, end", true, false},
		{"in one chunk", fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size), "\r\n0\r\n\r\n", 1, true, size, "", "connected, 200, end", true, true},
		{"until the close", "\r\n", "", 1, true, size, "end", "connected, 200, end", true, false},
		{"with no pipe there", length, "", 0, true, size, "", "connected, 200, end", false, true},
		{"to a user who takes none", length, "", 1, false, size, "", "connected, 200, end", false, true},
		{"that ends too early", length, "", 1, true, size / 2, "end", fmt.Sprintf("connected, 200, lost %d", Broken), true, false},
		{"that is reset in the middle", length, "", 1, true, size / 2, "break", fmt.Sprintf("connected, 200, lost %d", Broken), true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			pipes := r.Pipes(tt.most)
			r.thread.Pipes = pipes
			a := r.ask(0)
			if tt.takes {
				a.piped = func(p chain.Pipe, n int64) {
					b := make([]byte, n)
					p.Read(b)
					p.Release()
					a.body += string(b)
				}
			}
			r.Run()
			target := r.last()
			for text := "HTTP/1.1 200 OK\r\n" + tt.head + body[:tt.comes] + tt.tail; text != ""; {
				n := min(len(text), 98_000) // the last one has much of the body, and what is behind it
				target.Send(text[:n])
				text = text[n:]
				r.Run()
			}
			switch tt.then {
			case "end":
				target.End()
			case "break":
				target.Break()
			}
			r.Run()
			require.Equal(t, tt.told, a.all())
			require.True(t, body[:tt.comes] == a.body)
			require.Equal(t, tt.kept, !target.Closed)
			require.Equal(t, tt.piped, pipes.Filled > 0)
			require.Zero(t, pipes.Lent)
		})
	}
}

// What is too little for a pipe is read in the turn in which its beginning has come, so that all of
// it leaves together.
func TestAMiddlingBodyIsReadInOneTurn(t *testing.T) {
	const size = 64 << 10
	body := strings.Repeat("0123456789abcdef", size/16)
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
	for _, tt := range []struct {
		name  string
		pipes bool // machines of this driver may read by themselves
		comes int  // bytes of the body
		turns int
		then  func(*machinetest.Socket)
		told  string
	}{
		{"whole", true, size, 1, nil, "connected, 200, end"},
		{"by a driver that reads by itself", false, size, 2, nil, "connected, 200, end"},
		{"of which half has come", true, size / 2, 1, (*machinetest.Socket).End, fmt.Sprintf("connected, 200, lost %d", Broken)},
		{"of which half has come, and a reset", true, size / 2, 1, (*machinetest.Socket).Break, fmt.Sprintf("connected, 200, lost %d", Broken)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			if tt.pipes {
				r.thread.Pipes = r.Pipes(0)
			}
			a := r.ask(0)
			r.Run()
			target := r.last()
			target.Send(head + body[:tt.comes])
			for range tt.turns {
				require.NotEqual(t, body[:tt.comes], a.body)
				r.Turn(target)
			}
			require.True(t, body[:tt.comes] == a.body)
			if tt.then != nil {
				tt.then(target)
			}
			r.Run()
			require.Equal(t, tt.told, a.all())
		})
	}
}

func TestADroppedLinkIsClosedAtOnceAndTellsNobody(t *testing.T) {
	r := newRig(t, 1, nil)
	a := r.ask(0)
	r.Run()
	r.last().Send("HTTP/1.1 200 OK\r\n\r\nhe")
	r.Run()
	a.link.Drop()
	r.Run()
	require.True(t, r.last().Closed)
	require.True(t, r.last().Reset)
	require.Equal(t, "connected, 200", a.all())
	require.Zero(t, r.local.at[0].inFlight)
	require.Zero(t, r.set.states[0].row.failed.Load(), "it is not the target's fault")
}

// Why a target fails is told in the log, once a minute: its operator has nothing else to go by.
func TestWhyATargetFailsIsTold(t *testing.T) {
	const name = "The upstream http://127.0.0.1:9000 has failed: "
	for want, happens := range map[string]func(*rig){
		"upstream-refused (connection refused)": func(r *rig) {
			r.Connects = func(sysnet.Addr) error { return unix.ECONNREFUSED }
			r.local.Link(r.set.states[0], &asker{}, AnyKept)
		},
		"upstream-refused (no route to host)": func(r *rig) {
			r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
			r.ask(0)
			r.last().Err = unix.EHOSTUNREACH
			r.Run()
		},
		"upstream-malformed (head-too-large)": func(r *rig) {
			r.ask(0)
			r.last().Send("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", http1.ResponseLimits.Head))
			r.Run()
		},
		"upstream-malformed (it makes no sense)": func(r *rig) { r.ask(0).link.Disown() },
		"upstream-cut-short": func(r *rig) {
			r.ask(0)
			r.last().End()
			r.Run()
		},
		"upstream-timeout": func(r *rig) {
			r.ask(0)
			r.pass(0)
			r.pass(r.set.opt.Timeout)
		},
	} {
		r := newRig(t, 1, func(o *Options) { o.Timeout = clock.Second })
		happens(r)
		require.Equal(t, []string{name + want}, r.logged)
		happens(r)
		require.Len(t, r.logged, 1)
		r.pass(tellEvery)
		happens(r)
		require.Contains(t, r.logged[1:], name+want)
	}
}
