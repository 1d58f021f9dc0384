package upstream

// Where targets are, and how they are: names and checks.
//
// The name server is a function; the targets that are checked are net/http's, since the check's
// client is, too.

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"fourways/shared/clock"
	"fourways/shared/sysnet"
)

func TestWhereATargetIs(t *testing.T) {
	for _, tt := range []struct {
		target Target
		where  []sysnet.Addr
		named  string // in a Host field
	}{
		{Target{Host: "127.0.0.1", Port: 9000}, []sysnet.Addr{{IP: netip.MustParseAddrPort("127.0.0.1:9000")}}, "127.0.0.1:9000"},
		{Target{Host: "::1", Port: 80}, []sysnet.Addr{{IP: netip.MustParseAddrPort("[::1]:80")}}, "[::1]"},
		{Target{Host: "::1", Port: 81}, []sysnet.Addr{{IP: netip.MustParseAddrPort("[::1]:81")}}, "[::1]:81"},
		{Target{Path: "/run/s"}, []sysnet.Addr{{Path: "/run/s"}}, "localhost"},
		{Target{Host: "app.example", Port: 80}, nil, "app.example"},
	} {
		s, err := New(Options{Region: NewRegion(1)}, [][]Target{{tt.target}})
		require.NoError(t, err)
		require.Equal(t, tt.where, s.states[0].where.Addrs())
		require.Equal(t, tt.named, tt.target.Authority())
	}
}

func TestANameIsLookedUpAndTheOldAnswerKeptWhereThatFails(t *testing.T) {
	var answer []netip.Addr
	var fails error
	r := newRig(t, 0, func(o *Options) {
		o.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
			require.Equal(t, "app.example", host)
			return answer, fails
		}
	})
	set, err := New(r.set.opt, [][]Target{{{Name: "http://app.example", Host: "app.example", Port: 80}}})
	require.NoError(t, err)
	s := set.states[0]
	fails = errors.New("no name server")
	stop := set.Start()
	require.Empty(t, s.where.Addrs())
	_, err = set.LocalOf(r.thread).Link(s, &asker{}, AnyKept)
	require.ErrorIs(t, err, errUnknown)
	stop()
	require.Len(t, r.logged, 2)
	require.Contains(t, r.logged[1], errUnknown.Error())

	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")
	answer, fails = []netip.Addr{one, two}, nil
	require.NoError(t, s.where.Look(t.Context()))
	want := []sysnet.Addr{{IP: netip.AddrPortFrom(one, 80)}, {IP: netip.AddrPortFrom(two, 80)}}
	require.Equal(t, want, s.where.Addrs())
	for _, a := range [][]netip.Addr{nil, {one}} {
		answer, fails = a, nil
		if len(a) > 0 {
			fails = errors.New("no name server")
		}
		require.Error(t, s.where.Look(t.Context()))
		require.Equal(t, want, s.where.Addrs())
	}
}

// Other settings, and a process that replaces another one, begin where the name led last: no name
// server may answer when they do.
func TestANameLeadsWhereItLedLastWhileNoNameServerAnswers(t *testing.T) {
	l := Layout{Targets: 4, Processes: 2, Slots: 2}
	words := make([]uint64, Size(l)/8)
	shared, err := Open(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words)), l, nil)
	require.NoError(t, err)
	many := make([]netip.Addr, 2*maxPlaces)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
	}
	for where, region := range map[string]*Region{"one process": NewRegion(1), "several": shared} {
		t.Run(where, func(t *testing.T) {
			var answer []netip.Addr
			var fails error
			process := 0
			begin := func(name string) *State {
				t.Helper()
				s, err := New(Options{Region: region, Process: process, lookup: func(context.Context, string) ([]netip.Addr, error) {
					return answer, fails
				}}, [][]Target{{{Name: "http://" + name, Host: name, Port: 81}}})
				require.NoError(t, err)
				return s.states[0]
			}
			for _, answer = range [][]netip.Addr{{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::2")}, many} {
				before := begin("app.example")
				fails = nil
				require.NoError(t, before.where.Look(t.Context()))
				want := before.Addrs()
				fails = errors.New("no name server")
				process = region.layout.Processes - 1
				after := begin("app.example")
				require.Equal(t, want[:min(len(want), maxPlaces)], after.Addrs())
				require.Error(t, after.where.Look(t.Context()))
				require.Equal(t, want[:min(len(want), maxPlaces)], after.Addrs())
			}
			require.Empty(t, begin("other.example").Addrs())
			s := begin("app.example")
			s.row.place.words[0].Add(1)
			require.Empty(t, begin("app.example").Addrs(), "what was written by halves is nothing")
			s.row.place.remember(answer)
			s.row.clear()
			require.Empty(t, begin("app.example").Addrs())
		})
	}
}

// A server that was replaced may go on to answer for a long time on connections that are in use. It
// gets no request any more once its name leads to another one.
func TestAKeptConnectionIsNotUsedOnceTheNameLeadsElsewhere(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	answer := []netip.Addr{one}
	r := newRig(t, 0, func(o *Options) {
		o.lookup = func(context.Context, string) ([]netip.Addr, error) { return answer, nil }
	})
	var err error
	r.set, err = New(r.set.opt, [][]Target{{{Name: "http://app.example", Host: "app.example", Port: 80}}})
	require.NoError(t, err)
	r.local = r.set.LocalOf(r.thread)
	leadsTo := func(addrs ...netip.Addr) {
		answer = addrs
		require.NoError(t, r.set.states[0].where.Look(t.Context()))
	}
	served := func(by netip.Addr, connections int) {
		t.Helper()
		a := r.ask(0)
		r.Run()
		require.Len(t, r.Sockets, connections)
		require.Equal(t, by, r.last().To.IP.Addr())
		r.last().Send(hello)
		r.Run()
		require.Contains(t, a.all(), "200, end")
	}
	leadsTo(one)
	served(one, 1)
	leadsTo(two, one)
	served(one, 1)
	leadsTo(two)
	served(two, 2)
	require.True(t, r.Sockets[0].Closed)
	require.Len(t, r.local.at[0].idle, 1)
}

func TestATargetIsCheckedByOneProcessAndRestsWhileItFails(t *testing.T) {
	status, asked := 500, ""
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked = req.Method + " " + req.Host + req.URL.String() + " " + req.UserAgent()
		w.WriteHeader(status)
	}))
	defer target.Close()
	addr := netip.MustParseAddrPort(target.Listener.Addr().String())
	r := newRig(t, 0, func(o *Options) { o.Check = "/healthz" })
	set, err := New(r.set.opt, [][]Target{{{Name: "http://" + addr.String(), Host: "127.0.0.1", Port: addr.Port()}}})
	require.NoError(t, err)
	s, client := set.states[0], set.states[0].checker()
	check := func() { s.checked(s.check(t.Context(), client)) }
	check()
	require.Equal(t, "GET "+addr.String()+"/healthz fourways-check", asked)
	check()
	require.True(t, s.available(0))
	check()
	require.False(t, s.available(0))
	s.succeeded()
	require.False(t, s.available(0), "it answers clients, and still says that it is not well")
	for _, status = range []int{204, 302} {
		check()
		require.True(t, s.available(0))
	}
	target.Close()
	for range failuresToRest {
		check()
	}
	require.False(t, s.available(0))

	require.True(t, s.turnToCheck(clock.Second))
	require.False(t, s.turnToCheck(clock.Second), "somebody does it already")
	require.False(t, s.turnToCheck(clock.Second+checkEvery-1))
	require.True(t, s.turnToCheck(clock.Second+checkEvery))
}

func TestATargetOnAUnixSocketIsCheckedToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	srv := &http.Server{Handler: http.NotFoundHandler()}
	go srv.Serve(l)
	defer srv.Close()
	set, err := New(Options{Region: NewRegion(1), Check: "/"}, [][]Target{{{Name: "unix:" + path, Path: path}}})
	require.NoError(t, err)
	require.EqualError(t, set.states[0].check(t.Context(), set.states[0].checker()), "it answers 404")
}

// A name may lead to an address at which nobody listens, as localhost to ::1: requests go to the
// other one then.
func TestATargetIsCheckedAtAnyOfItsAddresses(t *testing.T) {
	ok := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer ok.Close()
	port := netip.MustParseAddrPort(ok.Listener.Addr().String()).Port()
	set, err := New(Options{Region: NewRegion(1), Check: "/", lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.77"), netip.MustParseAddr("127.0.0.1")}, nil
	}}, [][]Target{{{Name: "http://x", Host: "x", Port: port}}})
	require.NoError(t, err)
	s := set.states[0]
	require.Error(t, s.check(t.Context(), s.checker()), "its name is not known yet")
	require.NoError(t, s.where.Look(t.Context()))
	require.NoError(t, s.check(t.Context(), s.checker()))
	ok.Close()
	require.Error(t, s.check(t.Context(), s.checker()))
}
