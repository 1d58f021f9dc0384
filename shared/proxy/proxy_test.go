package proxy

// What needs more than one target, more than one client, or a side that does not read: retries,
// limits, back-pressure, rules. What can be told as a script is in script_test.go.
//
// Each test owns its rig. What must not be done: no test may wait for a real time.

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/clock"
	"fourways/shared/http1"
	"fourways/shared/machine"
	"fourways/shared/machine/machinetest"
	"fourways/shared/session"
	"fourways/shared/sysnet"
	"fourways/shared/upstream"
)

// refusing has connects to some ports fail at once, by the last digit of the port.
func (r *rig) refusing(digits string) {
	r.Connects = func(a sysnet.Addr) error {
		if strings.Contains(digits, fmt.Sprint(a.IP.Port()%10)) {
			return unix.ECONNREFUSED
		}
		return nil
	}
}

func several(n int) func(*setting) { return func(s *setting) { s.targets = n } }

func TestARequestWhoseConnectFailedGoesToAnotherTarget(t *testing.T) {
	for name, method := range map[string]string{"GET": get, "POST": post + "abcdef"} {
		t.Run(name+" at once", func(t *testing.T) {
			r := newRig(t, false, several(3))
			r.refusing("01")
			r.send(r.client, method)
			require.EqualValues(t, 9002, r.target().To.IP.Port())
			r.send(r.target(), hello)
			require.Equal(t, hello, plain(r.client.Take()))
		})
		for why, fail := range map[string]func(*rig){
			"refused":  func(r *rig) { r.target().Err = unix.ECONNREFUSED },
			"too slow": func(r *rig) { r.pass(5 * clock.Second) },
		} {
			t.Run(name+" "+why, func(t *testing.T) {
				r := newRig(t, false, several(2))
				r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
				r.send(r.client, method)
				require.Equal(t, machine.WantPeer, r.client.Want, "nothing is read of the client meanwhile")
				fail(r)
				r.Run()
				require.EqualValues(t, 9001, r.target().To.IP.Port())
				r.target().Pending = false
				r.Run()
				require.Contains(t, r.target().Take(), "/x HTTP/1.1\r\n")
				r.send(r.target(), hello)
				require.Equal(t, hello, plain(r.client.Take()))
				require.Equal(t, "open", stateOf(r.target()), "all of the body has come")
			})
		}
	}
	t.Run("an upload, to one that has a connection already", func(t *testing.T) {
		r := newRig(t, false, several(2))
		r.send(r.client, get) // the first target
		r.send(r.target(), hello)
		r.send(r.client, get) // the second
		r.send(r.target(), hello)
		second := r.target()
		second.Take()
		r.client.Take()
		r.Sockets[1].End() // the first one's
		r.Run()
		r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
		r.send(r.client, post+"abcdef")
		r.target().Err = unix.ECONNREFUSED
		r.Run()
		require.Equal(t, posted+"abcdef", unmarked(second.Take()))
		r.send(second, hello)
		require.Equal(t, hello, plain(r.client.Take()))
	})
	t.Run("a queue is full, and is waited for once nobody else is left", func(t *testing.T) {
		r := newRig(t, false, several(3))
		r.Connects = func(a sysnet.Addr) error {
			if a.IP.Port() < 9002 {
				return unix.EAGAIN
			}
			return nil
		}
		r.send(r.client, get)
		require.EqualValues(t, 9002, r.target().To.IP.Port())
		r.send(r.target(), hello)
		require.Equal(t, hello, plain(r.client.Take()))
		r.target().End()
		r.Run()
		r.Connects = func(sysnet.Addr) error { return unix.EAGAIN }
		r.send(r.client, post+"abcdef")
		require.Equal(t, machine.WantPeer, r.client.Want, "nothing is read of the client meanwhile")
		r.Connects = nil
		r.pass(clock.Second)
		require.Equal(t, posted+"abcdef", unmarked(r.target().Take()))
		r.send(r.target(), hello)
		require.Equal(t, hello, plain(r.client.Take()))
	})
	t.Run("all refuse", func(t *testing.T) {
		r := newRig(t, false, several(3))
		r.refusing("012")
		r.send(r.client, get)
		require.Equal(t, refused("502 Bad Gateway", "upstream-refused"), plain(r.client.Take()))
		require.Len(t, r.ev.done, 1)
	})
	t.Run("all are too slow", func(t *testing.T) {
		r := newRig(t, false, several(2))
		r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
		r.send(r.client, get)
		r.pass(5 * clock.Second)
		r.pass(5 * clock.Second)
		require.Equal(t, refused("504 Gateway Timeout", "upstream-timeout"), plain(r.client.Take()))
	})
	t.Run("the client leaves meanwhile", func(t *testing.T) {
		r := newRig(t, false, several(2))
		r.Connects = func(sysnet.Addr) error { return unix.EINPROGRESS }
		r.send(r.client, post)
		clientBreaks(r)
		require.Equal(t, "reset", stateOf(r.target()))
		require.Equal(t, 1, r.targets())
	})
}

func TestARequestForWhichWeHaveNoDescriptorIsRefusedAndNobodyIsBlamed(t *testing.T) {
	for _, why := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS} {
		t.Run(why.Error(), func(t *testing.T) {
			r := newRig(t, false, several(2))
			asked := 0
			r.Connects = func(sysnet.Addr) error { asked++; return fmt.Errorf("socket: %w", why) }
			for i := range 4 {
				r.send(r.client, get)
				require.Equal(t, refused("503 Service Unavailable", "out-of-descriptors"), plain(r.client.Take()))
				require.Equal(t, i+1, asked, "another target needs a descriptor too")
			}
			for _, s := range r.set.States() {
				require.False(t, s.Resting())
				for _, f := range upstream.Failures {
					require.Zero(t, s.Total(f.Counter), f.Name)
				}
			}
			r.Connects = nil
			r.send(r.client, get)
			r.send(r.target(), hello)
			require.Equal(t, hello, plain(r.client.Take()))
		})
	}
	t.Run("nor in the place of a kept connection", func(t *testing.T) {
		r := kept(t)
		old := r.target()
		r.send(r.client, get)
		r.Connects = func(sysnet.Addr) error { return unix.EMFILE }
		old.End()
		r.Run()
		require.Equal(t, refused("503 Service Unavailable", "out-of-descriptors"), plain(r.client.Take()))
		require.False(t, r.set.States()[0].Resting())
	})
}

// kept is a rig with one connection that has had a request.
func kept(t *testing.T) *rig {
	r := newRig(t, false, nil)
	r.send(r.client, get)
	r.send(r.target(), hello)
	r.client.Take()
	r.target().Take()
	return r
}

// A server that asks for NTLM believes whatever comes on the connection on which it was convinced.
func TestAConnectionThatHasBecomeAClientsIsNobodyElses(t *testing.T) {
	for field, targets := range map[string]int{
		"Authorization: NTLM TlRMTVNTUAAD\r\n": 2, "authorization: negotiate YII=\r\n": 2, "Authorization: Negotiate\tYII=\r\n": 2, "Authorization: NTLM\r\n": 2,
		"Authorization: Basic YTpi\r\n": 1, "Authorization: Bearer ntlm\r\n": 1,
	} {
		t.Run(field, func(t *testing.T) {
			r := newRig(t, false, nil)
			r.send(r.client, strings.TrimSuffix(get, "\r\n")+field+"\r\n")
			r.send(r.target(), hello)
			require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
			r.send(r.client, get)
			r.send(r.target(), hello)
			require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
			require.Equal(t, targets, r.targets())
		})
	}
}

func TestAKeptConnectionThatWasClosedMeanwhile(t *testing.T) {
	closes := map[string]func(*machinetest.Socket){"ended": (*machinetest.Socket).End, "reset": (*machinetest.Socket).Break}
	for how, close := range closes {
		for _, request := range []string{get, "HEAD" + get[3:], "DELETE" + get[3:], "OPTIONS" + get[3:]} {
			t.Run(how+", and the request is repeated: "+request[:4], func(t *testing.T) {
				r := kept(t)
				old := r.target()
				r.send(r.client, request)
				close(old)
				r.Run()
				require.Equal(t, 2, r.targets())
				require.Equal(t, request, unmarked(r.target().Take()))
				r.send(r.target(), hello)
				require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
			})
		}
		for body, request := range map[string]string{
			"": post + "abcdef", ", though its body has not begun": expects, ", though it has none": "POST" + get[3:],
		} {
			t.Run(how+", and the request cannot be repeated"+body, func(t *testing.T) {
				r := kept(t)
				old := r.target()
				r.send(r.client, request)
				close(old)
				r.Run()
				require.Equal(t, 1, r.targets())
				require.Contains(t, r.client.Take(), "502 Bad Gateway")
			})
		}
		t.Run(how+", and a request whose body has ended without a byte is sent again", func(t *testing.T) {
			r := kept(t)
			old := r.target()
			r.send(r.client, "DELETE"+empties[4:])
			close(old)
			r.Run()
			require.Equal(t, 2, r.targets())
			require.Equal(t, "DELETE"+emptied[4:], unmarked(r.target().Take()))
			r.send(r.target(), hello)
			require.Equal(t, hello, plain(r.client.Take()))
		})
		for _, request := range []string{post, "PUT" + post[4:]} {
			t.Run(how+", which one with a body finds out before it is sent: "+request[:4], func(t *testing.T) {
				r := kept(t)
				close(r.target())
				r.client.Send(request + "abcdef")
				r.step()
				r.Run()
				require.Equal(t, 2, r.targets())
				r.send(r.target(), hello)
				require.Equal(t, hello, plain(r.client.Take()))
			})
			t.Run(how+", after which one with a body gets none that was kept: "+request[:4], func(t *testing.T) {
				r := kept(t)
				old := r.target()
				r.send(r.client, get)
				close(old)
				r.Run()
				r.send(r.target(), hello)
				r.client.Take()
				r.send(r.client, request+"abcdef")
				require.Equal(t, 3, r.targets())
			})
		}
		t.Run(how+", before the request was sent: then no retry has to be left", func(t *testing.T) {
			r := kept(t)
			r.client.Send(get)
			r.step() // it has its connection
			close(r.target())
			for r.set.LocalOf(r.thread).MayRetry() {
			}
			r.Run()
			require.Equal(t, 2, r.targets())
			r.send(r.target(), hello)
			require.Equal(t, hello, plain(r.client.Take()))
		})
	}
	t.Run("once some of the answer has come nothing is repeated", func(t *testing.T) {
		r := kept(t)
		r.send(r.client, get)
		r.send(r.target(), "HTTP/1.1 103 \r\n\r\n")
		r.target().End()
		r.Run()
		require.Equal(t, 1, r.targets())
		require.Contains(t, r.client.Take(), "502 Bad Gateway")
	})
	t.Run("nor is what has a body that has begun", func(t *testing.T) {
		r := kept(t)
		r.send(r.client, "PUT"+post[4:]+"abc")
		r.target().End()
		r.Run()
		require.Equal(t, 1, r.targets())
		require.Contains(t, r.client.Take(), "502 Bad Gateway")
	})
}

// A kept connection on which something comes before the request has left: many servers say 408
// there before they close, and whoever has brought a target to answer twice would choose the next
// client's answer.
func TestWhatNobodyHasAskedForIsNobodysAnswer(t *testing.T) {
	const unasked = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, tt := range []struct{ name, request, sent string }{
		{"GET", get, get},
		{"POST, without the body", post, posted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := kept(t)
			old := r.target()
			r.client.Send(tt.request)
			r.step()
			old.Send(unasked)
			r.Run()
			require.True(t, old.Closed)
			require.Empty(t, old.Take())
			require.Equal(t, 2, r.targets())
			require.Equal(t, tt.sent, unmarked(r.target().Take()))
			r.send(r.target(), hello)
			require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
		})
	}
	t.Run("POST, with a body that is empty", func(t *testing.T) {
		r := kept(t)
		r.client.Send(empties)
		r.step()
		r.target().Send(unasked)
		r.Run()
		require.Equal(t, 2, r.targets())
		require.Equal(t, emptied, unmarked(r.target().Take()))
		r.send(r.target(), hello)
		require.Equal(t, hello, plain(r.client.Take()))
	})
	t.Run("what has been taken of a body cannot be sent again", func(t *testing.T) {
		r := kept(t)
		r.client.Send(post + "abcdef")
		r.step()
		r.target().Send(unasked)
		r.Run()
		require.Equal(t, 1, r.targets())
		require.Equal(t, refused("502 Bad Gateway", "upstream-cut-short"), plain(r.client.Take()))
	})
	t.Run("nor is the connection given to a request of the same turn", func(t *testing.T) {
		r := kept(t)
		old := r.target()
		old.Send(unasked)
		r.Hear(old)
		r.client.Send(get)
		r.Run()
		require.Equal(t, 2, r.targets())
		r.send(r.target(), hello)
		require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
	})
}

// What a target says that closes a connection can cross a request on its way there. The client gets
// an answer all the same, unless the 408 may be meant for it.
func TestAFarewellThatCrossesARequestIsNoAnswer(t *testing.T) {
	const farewell = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
	for _, request := range []string{get, "HEAD" + get[3:], "DELETE" + get[3:]} {
		t.Run(request[:4], func(t *testing.T) {
			r := kept(t)
			old := r.target()
			r.send(r.client, request)
			r.send(old, farewell)
			require.True(t, old.Closed)
			require.Equal(t, 2, r.targets())
			require.Equal(t, request, unmarked(r.target().Take()))
			r.send(r.target(), hello)
			require.True(t, strings.HasPrefix(plain(r.client.Take()), ok))
		})
	}
	for _, tt := range []struct {
		name, request, says string
		fresh               bool
	}{
		{"a POST, which may not be repeated", "POST" + get[3:], farewell, false},
		{"a body, for which the target may have waited", "PUT" + post[4:] + "abc", farewell, false},
		{"behind an interim answer", get, "HTTP/1.1 103 \r\n\r\n" + farewell, false},
		{"a connection that stays open", get, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", false},
		{"a new connection", get, farewell, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, false, nil)
			if !tt.fresh {
				r = kept(t)
			}
			r.send(r.client, tt.request)
			r.send(r.target(), tt.says)
			require.Equal(t, 1, r.targets())
			require.Contains(t, r.client.Take(), " 408 ")
		})
	}
	t.Run("no retry is left", func(t *testing.T) {
		r := kept(t)
		r.send(r.client, get)
		for r.set.LocalOf(r.thread).MayRetry() {
		}
		r.send(r.target(), farewell)
		require.Equal(t, 1, r.targets())
		require.Contains(t, r.client.Take(), " 408 ")
	})
}

// step has only the client's socket read: what comes next happens at the same moment.
func (r *rig) step() { r.Driver.Turn(r.client) }

func TestEveryTargetHasAsMuchAsItMay(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.targets, s.up.Conns = 2, 1 })
	first := r.client
	r.send(first, get)
	r.connect()
	r.send(r.client, get)
	r.connect()
	r.send(r.client, get)
	require.Equal(t, refused("503 Service Unavailable", "upstreams-full"), plain(r.client.Take()))
	require.Equal(t, 2, r.targets())
	r.send(r.target(), hello)
	r.send(r.client, get)
	r.send(r.target(), hello)
	require.Equal(t, hello, plain(r.client.Take()))
}

func TestASlowClientHoldsTheTargetUpAndALongAnswerIsNeverKeptWhole(t *testing.T) {
	r := newRig(t, false, nil)
	r.send(r.client, get)
	r.client.Room = 1000
	const size, piece = 4 << 20, 8 << 10
	r.send(r.target(), fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
	sent := 0
	for r.target().Want&machine.WantRead != 0 && sent < size {
		r.send(r.target(), strings.Repeat("x", piece))
		sent += piece
	}
	require.Less(t, sent, 256<<10)
	require.Equal(t, machine.WantPeer, r.target().Want)
	got := len(r.client.Take())
	for sent < size {
		for ; r.target().Want&machine.WantRead != 0 && sent < size; sent += piece {
			r.send(r.target(), strings.Repeat("x", piece))
		}
		r.client.Room = 40 << 10
		r.Run()
		got += len(r.client.Take())
	}
	r.client.Room = -1
	r.Run()
	require.Equal(t, "open", stateOf(r.target()))
	require.Greater(t, got+len(r.client.Take()), size)
	r.send(r.client, get)
	r.send(r.target(), hello)
	require.Equal(t, hello, plain(r.client.Take()))
}

// The target's connection is free as soon as it has said all, however long the client still reads.
func TestATargetThatHasSaidAllIsFree(t *testing.T) {
	r := newRig(t, false, nil)
	r.send(r.client, get)
	r.client.Room = 1000
	r.send(r.target(), fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 40<<10))
	r.send(r.target(), strings.Repeat("x", 40<<10))
	r.connect()
	r.send(r.client, get)
	require.Equal(t, 1, r.targets())
	r.send(r.target(), hello)
	require.Equal(t, hello, plain(r.client.Take()))
}

func TestASlowTargetHoldsTheClientUp(t *testing.T) {
	r := newRig(t, false, nil)
	const size, piece = 1 << 20, 8 << 10
	r.send(r.client, fmt.Sprintf("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", size))
	r.target().Room = 1000
	sent := 0
	for r.client.Want&machine.WantRead != 0 && sent < size {
		r.send(r.client, strings.Repeat("x", piece))
		sent += piece
	}
	require.Less(t, sent, 128<<10)
	require.Equal(t, machine.WantPeer, r.client.Want)
	got := len(r.target().Take())
	for sent < size {
		for ; r.client.Want&machine.WantRead != 0 && sent < size; sent += piece {
			r.send(r.client, strings.Repeat("x", piece))
		}
		r.target().Room = 40 << 10
		r.Run()
		got += len(r.target().Take())
	}
	r.target().Room = -1
	r.Run()
	require.Greater(t, got+len(r.target().Take()), size)
	r.send(r.target(), hello)
	require.Equal(t, hello, plain(r.client.Take()))
}

func TestTheLongestPrefixWins(t *testing.T) {
	h := &Handler{}
	for _, prefix := range []string{"/a", "/a/b", "/dir/", "/a/b/c"} {
		h.opt.Rules = append(h.opt.Rules, Rule{Prefix: prefix})
	}
	for path, want := range map[string]string{
		"/a": "/a", "/a/": "/a", "/a/x": "/a", "/a/b": "/a/b", "/a/b/": "/a/b", "/a/b/c/d": "/a/b/c", "/a/bc": "/a",
		"/ab": "", "/": "", "*": "", "": "", "/dir/": "/dir/", "/dir/x": "/dir/", "/dir": "", "/A": "",
	} {
		got := ""
		if rule := h.match([]byte(path)); rule != nil {
			got = rule.Prefix
		}
		require.Equal(t, want, got, path)
	}
	h.opt.Rules = append(h.opt.Rules, Rule{Prefix: "/"})
	require.Equal(t, "/", h.match([]byte("/ab")).Prefix)
	require.Nil(t, h.match([]byte("*")))
}

func TestWhatATargetIsAskedFor(t *testing.T) {
	for _, tt := range []struct{ target, strip, want string }{
		{"/app/x?y", "", "/app/x?y"},
		{"/app/x?", "", "/app/x?"},
		{"/app/x?y", "/app", "/x?y"},
		{"/app", "/app", "/"},
		{"/app?y", "/app", "/?y"},
		{"/app/", "/app/", "/"},
		{"/app/x", "/app/", "/x"},
		{"/%61pp/%78", "/app", "/%78"},
		{"/x", "/", "/x"},
		{"/", "/", "/"},
		{"/a%c3%a4/x", "/aä", "/x"},
		{"http://h/app/x?y", "/app", "/x?y"},
		{"http://h", "", "/"},
		{"http://h?y", "", "/?y"},
	} {
		r := parsed(t, tt.target)
		require.Equal(t, tt.want, string(appendTarget(nil, r, tt.strip)), "%s without %s", tt.target, tt.strip)
	}
}

// parsed is a request for a target.
func parsed(t *testing.T, target string) *http1.Request {
	clk := &clock.Clock{}
	c := http1.NewConn(&http1.Config{Limits: http1.Limits{RequestLine: 512, Head: 1024, Fields: 16}}, clk, nil)
	c.Open(0)
	c.Received(copy(c.Recv(), "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n"))
	require.Equal(t, http1.HasRequest, c.Next(), target)
	return c.Request()
}

func TestOnlyWhatIsBelowAPrefixIsPassedOn(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.rules = []string{"/app"}; s.opt.Strip = true })
	r.send(r.client, get)
	require.Contains(t, r.client.Take(), "the site's")
	require.Zero(t, r.targets())
	r.send(r.client, "GET /app/x?y HTTP/1.1\r\nHost: h\r\n\r\n")
	require.Equal(t, "GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n", unmarked(r.target().Take()))
	r.send(r.target(), hello)
	r.client.Take()
	r.site.precedes = true
	r.send(r.client, "GET /app/x?y HTTP/1.1\r\nHost: h\r\n\r\n")
	require.Contains(t, r.client.Take(), " 308 ", "who is to come by TLS is told so first")
	require.Equal(t, 1, r.targets())
}

// A proxy that is trusted may say by the standard's field alone that it was asked by https. The
// target is told by the one that is usual.
func TestATargetIsToldByWhatATrustedProxyWasAsked(t *testing.T) {
	for proto, want := range map[string]string{"https": "https", "http": "http"} {
		r := newRig(t, false, nil)
		r.srv.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		r.connect()
		r.send(r.client, "GET /x HTTP/1.1\r\nHost: h\r\nForwarded: for=198.51.100.1;proto="+proto+"\r\n\r\n")
		require.Contains(t, r.target().Take(), "\r\nX-Forwarded-Proto: "+want+"\r\n")
	}
}

func TestATargetMayGetItsOwnName(t *testing.T) {
	r := newRig(t, false, func(s *setting) { s.opt.TargetHost = true })
	r.send(r.client, get)
	require.Contains(t, r.target().Take(), "\r\nHost: 127.0.0.1:9000\r\n")
}

func TestARequestOnKeptConnectionsAllocatesNothing(t *testing.T) {
	r := newRig(t, false, nil)
	request, response := []byte(get), []byte(hello)
	once := func() {
		r.SendBytes(r.client, request)
		r.Run()
		r.SendBytes(r.target(), response)
		r.Run()
		r.client.Got, r.target().Got = r.client.Got[:0], r.target().Got[:0]
	}
	r.srv.Observer = quiet{r.ev}
	for range 100 {
		once()
	}
	require.Zero(t, testing.AllocsPerRun(1000, once))
	require.Equal(t, 1, r.targets())
}

// quiet hears of nothing.
type quiet struct{ *events }

func (quiet) Done(*session.Exchange) {}
