package session

// Another Server takes the place of the first while requests are under way. The rig of the other
// tests plays client and driver; each Server has the statistics and the handler of the rig's first.
// What must not be done: no Server may be changed once it has been in use.

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"fourways/shared/http1"
)

// other is a Server with limits of its own, and otherwise what the rig's is.
func (r *rig) other(limits http1.Limits) *Server {
	s := r.srv
	return &Server{HTTP: http1.Config{Limits: limits, KeepAlive: 5}, Timing: s.Timing, Hosts: s.Hosts, Stats: s.Stats,
		Handler: s.Handler, Observer: s.Observer, MaxConns: s.MaxConns}
}

func TestNewSettingsHoldFromTheNextRequestOn(t *testing.T) {
	r := newRig(t)
	upload := "POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n"
	r.send(upload + "1234567890")
	r.srv.Succeed(r.other(http1.Limits{RequestLine: 512, Head: 4096, Fields: 16, Body: 10, Requests: 100}))
	r.send("1234567890")
	require.Equal(t, []string{"200"}, r.statuses(), "what is under way ends as it began")
	long := "X-Long: " + strings.Repeat("x", 2000) + "\r\n\r\n"
	r.send("GET /a HTTP/1.1\r\nHost: h\r\n" + long)
	require.Equal(t, []string{"200", "200"}, r.statuses(), "the longer head fits")
	require.Contains(t, string(r.got), "timeout=5, max=98", "the connection goes on counting")
	r.send(upload)
	require.Equal(t, "413", r.statuses()[2])

	r.srv.Latest().Succeed(r.other(http1.Limits{RequestLine: 512, Head: 1024, Fields: 16, Body: 1, Requests: 100}))
	r.connect()
	r.send("GET /a HTTP/1.1\r\nHost: h\r\n" + long)
	require.Equal(t, []string{"431"}, r.statuses(), "no buffer of before is used again")
}

// A proxy that is trusted no longer must not go on naming clients on connections that it has kept,
// and one that is trusted now need not come again.
func TestNewSettingsSayWhoIsTrustedOnKeptConnections(t *testing.T) {
	r := newRig(t)
	ask := func() string {
		r.send("BREW /a HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n")
		return r.ev.clients[len(r.ev.clients)-1]
	}
	trust := func(list ...netip.Prefix) {
		next := r.other(r.srv.HTTP.Limits)
		next.Trusted = list
		r.srv.Latest().Succeed(next)
	}
	require.Equal(t, peer.Addr().String(), ask())
	trust(netip.PrefixFrom(peer.Addr(), 24))
	require.Equal(t, "198.51.100.1", ask())
	trust()
	require.Equal(t, peer.Addr().String(), ask())
}

// For each request that would be work for nothing where other settings have changed. Once the lists
// have, there may be connections from before for as long as the process lives.
func TestPeersAreLookedUpAgainOnlyWhereTheListsHaveChanged(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		trusted  []netip.Prefix
		relisted bool
	}{{nil, false}, {[]netip.Prefix{netip.PrefixFrom(peer.Addr(), 24)}, true}, {nil, true}, {nil, true}} {
		next := r.other(r.srv.HTTP.Limits)
		next.Trusted = tt.trusted
		r.srv.Latest().Succeed(next)
		require.Equal(t, tt.relisted, next.relisted)
	}
}

// Whoever changes settings every hour must not fill the memory with those of the last year: with
// each of them go a site, its cache, and buffers of all threads.
func TestSettingsOfBeforeDoNotStayInMemory(t *testing.T) {
	r := newRig(t)
	succeed := func() weak.Pointer[Server] {
		next := r.other(r.srv.HTTP.Limits)
		r.srv.Latest().Succeed(next)
		return weak.Make(next)
	}
	between := succeed()
	r.connect()
	succeed()
	r.connect()
	runtime.GC()
	require.True(t, between.Value() == nil)
	require.Same(t, r.srv.Latest(), r.thread.Server)
}

func TestADrainAndTheRefusedAreThoseOfAllServers(t *testing.T) {
	r := newRig(t)
	next := r.other(r.srv.HTTP.Limits)
	next.MaxRefused = 1
	r.srv.MaxRefused = 1
	var refused Session
	refused.OpenRefused(r.thread, peer, 4, 0)
	r.srv.Succeed(next)
	r.connect()
	require.Equal(t, next, r.thread.Server)
	require.EqualValues(t, 1, next.origin().refused.Load())
	for next.Conns() < next.MaxConns {
		_, why := r.thread.Admit(peer.Addr(), 7)
		require.Zero(t, why)
	}
	_, why := r.thread.Admit(peer.Addr(), 7)
	require.Equal(t, "too-many-refused", why.String())
	refused.Close()
	require.Zero(t, next.origin().refused.Load())
	r.srv.Drain()
	require.True(t, next.Draining())
	r.send(request("a"))
	require.Contains(t, string(r.got), "Connection: close")
}
