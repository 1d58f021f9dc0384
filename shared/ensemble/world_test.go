package ensemble

// The world of one course of events: a server's settings, one thread with its loop, and whoever is
// at the other ends. And what must be true of it, whatever happens.

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/chain"
	"fourways/shared/clock"
	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/limiter"
	"fourways/shared/machine"
	"fourways/shared/proxy"
	"fourways/shared/proxyproto"
	"fourways/shared/relay"
	"fourways/shared/resolve"
	"fourways/shared/secure"
	"fourways/shared/secure/securetest"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/spill"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/upstream"
)

const (
	smallFile = 100
	largeFile = 300_000

	targetPort = 9000
	relayPort  = 9100
)

// How connections to targets go, and files.
const (
	connectsNow = iota
	connectsLater
	connectsRefused
	connectsShort // of descriptors
	connectsFull  // a Unix socket's queue is
)

const (
	filesWarm = iota
	filesCold
	filesBroken
	queuesCold   // what waits for slow readers has to be read from the disk
	queuesBroken // and cannot be
	queuesFull   // nor be written
)

// world is all there is.
type world struct {
	t      testing.TB
	dir    string
	root   *sysnet.Root
	srv    *session.Server
	thread *session.Thread
	site   *site.Site
	sites  []*site.Site // all that there ever were
	set    *upstream.Set
	sets   []*upstream.Set
	region *upstream.Region
	spill  *spill.Spill
	secure *secure.Server
	relay  *relay.Server
	limits limiter.Config
	lent   *pipes
	wall   int64

	onDisk, inMemory atomic.Int64

	kernel   []*socket
	sockets  []*driven
	nudged   []*driven
	slow     []*job
	posted   []func()
	uring    bool
	sends    []sending
	received []receiving
	late     bool // slow work comes to no end by itself
	open     int
	draining bool
	page     [16 << 10]byte

	local    bool // targets are at Unix sockets
	connects int
	files    int
	clients  []*client
	targets  []*target
	answers  []*answer
	asked    int
	arrived  map[*client]int // bytes through tunnels and relays, to clients
	cleanUp  []func()
	trace    []string
}

func (w *world) now() clock.Time { return w.thread.Clock.Now() }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

// pair is a certificate for "h", made once.
var pair = sync.OnceValue(func() tls.Certificate { return securetest.SelfSigned("h") })

var clientConfig = sync.OnceValue(func() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "h", CurvePreferences: []tls.CurveID{tls.X25519}, DynamicRecordSizingDisabled: true}
})

var serverConfig = sync.OnceValue(func() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair()}, CurvePreferences: []tls.CurveID{tls.X25519}, SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true}
})

// folder makes the folder that all worlds serve.
func folder(t testing.TB, dir string) {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "uploads"), 0o755))
	must(os.Mkdir(filepath.Join(dir, "spill"), 0o755))
	for name, size := range map[string]int{"small.txt": smallFile, "large.txt": largeFile} {
		must(os.WriteFile(filepath.Join(dir, name), fill(size, 0, size), 0o644))
		must(os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Unix(784000000, 0)))
	}
}

// Settings, as bits.
const (
	withPipes = 1 << iota
	withFiles // of queues
	withLimits
	withUnix // targets, and some clients
	withOneHandshake
	withShortTunnels // that may not be silent for long, and few requests at once
	withUring
	withThread
)

// newWorld has the settings that the bits say.
func newWorld(t testing.TB, dir string, settings byte) *world {
	w := &world{t: t, dir: dir, wall: 784111777e9, arrived: map[*client]int{}, local: settings&withUnix != 0}
	var err error
	if w.root, err = sysnet.OpenRoot(dir); err != nil {
		t.Fatal(err)
	}
	w.region = upstream.NewRegion(1)
	cfg := spill.Config{Memory: 32 << 10, OnDisk: &w.onDisk, InMemory: &w.inMemory}
	if settings&withFiles != 0 {
		cfg.File, cfg.Total, cfg.Dir = 1<<20, 2<<20, filepath.Join(dir, "spill")
	}
	if w.spill, err = spill.New(cfg); err != nil {
		t.Fatal(err)
	}
	w.spill.Disturb(w.coldQueue, w.brokenQueue)
	w.srv = &session.Server{
		HTTP:     http1.Config{Limits: http1.Limits{RequestLine: 512, Head: 2048, Fields: 32, Body: 4 << 20, Requests: 50}, KeepAlive: 30},
		Timing:   session.Timing{Head: 10 * clock.Second, Idle: 30 * clock.Second, MinRate: 240},
		Hosts:    guard.NewHosts([]string{guard.AnyHost}, nil),
		Stats:    stats.New(1),
		Observer: observer{w},
		MaxConns: 6, MaxRefused: 2,
		Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	if settings&withLimits != 0 {
		w.limits = limiter.Config{Key: [2]uint64{1, 2}, IPv6Prefix: 64, MaxConns: 4, Rate: 20, Burst: 20, BanAfter: 10, Ban: 5e9}
		if w.srv.Limiter, err = limiter.New(make([]byte, limiter.Size(64)), w.limits); err != nil {
			t.Fatal(err)
		}
	}
	w.newThread(settings)
	w.srv.Handler = w.handler(settings)
	w.srv.Prober = w.site
	w.openLayers(settings)
	return w
}

// coldQueue and brokenQueue say how the disk is of what waits for slow readers.
func (w *world) coldQueue() bool {
	if w.files == queuesCold {
		w.files = filesWarm
		return true
	}
	return w.files == queuesBroken
}

func (w *world) brokenQueue(write bool) error {
	switch {
	case write && w.files == queuesFull:
		return unix.ENOSPC
	case !write && w.files == queuesBroken:
		return unix.EIO
	}
	return nil
}

// newThread makes the one thread.
func (w *world) newThread(settings byte) {
	l, c := session.NewThread(w.srv, w.srv.Stats.Slot(0), "loop-1", 7), calls{w}
	w.thread, w.lent = l, &pipes{w: w, most: 2}
	l.Clock.Set(1000*clock.Second, w.wall)
	l.Host = w
	l.Unsent, l.HungUp = c.Unsent, c.OnlyHungUp
	l.Reached = func(int) netip.AddrPort { return netip.MustParseAddrPort("192.0.2.99:80") }
	l.Works = settings&withThread != 0
	w.uring = settings&withUring != 0 && !l.Works
	if settings&withPipes != 0 && !l.Works {
		l.Pipes = w.lent
	}
}

// openLayers makes what connections other than those of plain HTTP share.
func (w *world) openLayers(settings byte) {
	w.secure = &secure.Server{Config: serverConfig, Timeout: 10 * clock.Second}
	if settings&withOneHandshake != 0 {
		w.secure.Most = 1
	}
	to := &resolve.Target{Host: "127.0.0.1", Port: relayPort}
	to.Know([]sysnet.Addr{{IP: netip.MustParseAddrPort("127.0.0.1:9100")}, {IP: netip.MustParseAddrPort("127.0.0.2:9100")}})
	w.relay = &relay.Server{Target: to, Announce: true, ConnectTimeout: 10 * clock.Second, Timeout: 60 * clock.Second, Queues: w.spill, Sockets: calls{w}}
}

// handler makes a site, and what passes requests on.
func (w *world) handler(settings byte) session.Handler {
	var err error
	w.site, err = site.New(site.Config{
		Root: w.root, Cache: filecache.Options{Bytes: 1 << 20, Item: 64 << 10, Open: 2},
		Types: []string{"html", "txt"}, Reports: site.Reports{},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.site.OpenUploads(site.Uploads{}); err != nil {
		w.t.Fatal(err)
	}
	w.sites = append(w.sites, w.site)
	up := upstream.Options{
		Timeout: 30 * clock.Second, Connect: 5 * clock.Second, Idle: 2, Region: w.region, Now: w.now, Sockets: calls{w},
		TunnelTimeout: 60 * clock.Second,
	}
	if settings&withShortTunnels != 0 {
		up.TunnelTimeout, up.Conns = 3*clock.Second, 2
	}
	w.set, err = upstream.New(up, [][]upstream.Target{{
		{Name: "http://127.0.0.1:9000", Host: "127.0.0.1", Port: targetPort},
		{Name: "http://127.0.0.1:9001", Host: "127.0.0.1", Port: targetPort + 1},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.sets = append(w.sets, w.set)
	return proxy.New(proxy.Options{Set: w.set, Rules: []proxy.Rule{{Prefix: "/p", Group: w.set.Groups[0]}}, Queues: w.spill, Site: w.site})
}

// reload has other settings take the place of those that there are.
func (w *world) reload(settings byte) {
	before, old := w.set, w.site
	srv := w.srv.Latest()
	next := &session.Server{
		HTTP: srv.HTTP, Timing: srv.Timing, Hosts: srv.Hosts, Stats: srv.Stats, Observer: srv.Observer, Limiter: srv.Limiter,
		MaxConns: srv.MaxConns, MaxRefused: srv.MaxRefused, Trusted: srv.Trusted,
	}
	next.HTTP.Limits.Head /= 2
	next.Handler = w.handler(settings)
	next.Prober = w.site
	w.srv.Succeed(next)
	before.Retire()
	old.Retire()
}

// connect has another client connect, as the loop accepts it. A thread of stage 1 passes nothing on
// as it is, and waits until the client before has gone.
func (w *world) connect(kind int) {
	if w.thread.Works {
		if kind = kind % kinds; kind == relayed || kind == proxiedRelayed {
			kind = plain
		}
		if len(w.sockets) > 0 {
			return
		}
	}
	fd, k := w.socket()
	k.local = w.local && (kind == plain || kind == plainTLS || kind == proxiedTLS)
	c := &client{w: w, kind: kind % kinds, number: len(w.clients) + 1, k: k}
	w.clients = append(w.clients, c)
	from := c.address()
	switch c.kind {
	case proxied, proxiedTLS, proxiedRelayed, unproxied:
		from = netip.MustParseAddrPort("127.0.0.1:7777")
	}
	adm, why := w.thread.Admit(from.Addr(), fd)
	opener := []session.Opener{plainTLS: w.secure.Opener(), proxied: proxyproto.Opener(session.OpenPlain), proxiedTLS: proxyproto.Opener(w.secure.Opener()),
		relayed: w.relay.Opener(), proxiedRelayed: proxyproto.Opener(w.relay.Opener()), plainOnTLS: w.secure.Opener(), unproxied: proxyproto.Opener(session.OpenPlain)}[c.kind]
	switch {
	case why == fault.NoReason:
		if opener == nil {
			opener = session.OpenPlain
		}
		s := w.add(fd)
		s.client = true
		s.Machine = opener(w.thread, adm, from, fd)
		w.drive(s, true)
	case why == fault.TooManyConnections && opener == nil:
		s := w.add(fd)
		s.client = true
		m := &session.Session{}
		m.OpenRefused(w.thread, from, fd, why)
		s.Machine = m
		w.drive(s, false)
	default:
		k.close(true)
	}
	c.begin()
}

// pass lets time pass.
func (w *world) pass(d clock.Time) {
	w.wall += int64(d)
	w.thread.Clock.Set(w.now()+d, w.wall)
}

// next is the next deadline.
func (w *world) next() clock.Time {
	next := clock.Never
	for _, s := range w.sockets {
		next = min(next, s.timer)
	}
	return next
}

// numbered is the request with a number.
func (w *world) numbered(n int) *request {
	for _, c := range w.clients {
		for _, q := range c.asked {
			if q.number == n {
				return q
			}
		}
	}
	w.fail("a target got a request that nobody has made: %d", n)
	return nil
}

// asker is whose request it is.
func (w *world) asker(q *request) *client {
	for _, c := range w.clients {
		for _, have := range c.asked {
			if have == q {
				return c
			}
		}
	}
	return nil
}

// tunnelOf is the tunnel that a request has led to.
func (w *world) tunnelOf(q *request) *target {
	for _, t := range w.targets {
		if q != nil && t.tunnel == q {
			return t
		}
	}
	return nil
}

// checkRelayed says that what a relay's client has got is what its target has sent.
func (w *world) checkRelayed(c *client) {
	if !isOf(3000, c.got) {
		w.fail("client %d got something else than what was sent through its relay", c.number)
	}
	w.arrived[c] = len(c.got)
}

// checkTargets says that what has come to targets is what clients have sent, and that nothing is
// done twice that must not be.
func (w *world) checkTargets() {
	times := map[*request]int{}
	for _, t := range w.targets {
		if t.relayed {
			w.checkRelay(t)
			continue
		}
		src := bytes.NewReader(t.k.wrote)
		r := bufio.NewReader(src)
		for {
			if !bytes.Contains(t.k.wrote[len(t.k.wrote)-src.Len()-r.Buffered():], []byte("\r\n\r\n")) {
				break
			}
			head, err := http.ReadRequest(r)
			if err != nil {
				w.fail("a target got what is no request: %v in %.300q", err, t.k.wrote)
			}
			q := w.numbered(numberIn([]byte("X-Number: " + head.Header.Get("X-Number") + "\r\n")))
			if head.Method != q.method {
				w.fail("a target got %s instead of %s", head.Method, q.method)
			}
			if times[q]++; q.method == "POST" && times[q] > 1 {
				w.fail("request %d was made twice", q.number)
			}
			body, err := io.ReadAll(head.Body)
			if !isOf(q.number, body) {
				w.fail("a target got something else than the body of request %d", q.number)
			}
			if err != nil {
				break
			}
			if t.tunnel == q {
				rest, _ := io.ReadAll(r)
				if c := w.asker(q); !isOf(c.number, rest) || len(rest) > c.spoke {
					w.fail("a target got something else than what was sent through its tunnel")
				}
			}
		}
	}
}

// checkRelay is that for a relay.
func (w *world) checkRelay(t *target) {
	said, n, err := proxyproto.Parse(t.k.wrote)
	if err != nil || n == 0 {
		if n == 0 && err == nil {
			return
		}
		w.fail("a relay's target got no PROXY header: %v", err)
	}
	for _, c := range w.clients {
		if c.address() == said.From {
			if rest := t.k.wrote[n:]; !isOf(c.number, rest) || len(rest) > c.told {
				w.fail("a target got something else than what client %d has sent", c.number)
			}
			t.whose = c
			return
		}
	}
	w.fail("a relay's target was told of %v, which is nobody", said.From)
}

// check judges what has arrived so far.
func (w *world) check() {
	for _, c := range w.clients {
		c.check()
	}
	w.checkTargets()
}

// nothingLeft says that all is given back.
func (w *world) nothingLeft() {
	w.t.Helper()
	zero := func(what string, n int64) {
		if n != 0 {
			w.fail("%d %s are left", n, what)
		}
	}
	zero("sockets", int64(w.open))
	zero("connections", w.srv.Conns())
	zero("relays", w.srv.Stats.Relays())
	zero("handshakes", w.secure.UnderWay())
	zero("pipes", int64(w.lent.lent))
	zero("bytes on the disk", w.onDisk.Load())
	zero("bytes of queues", w.inMemory.Load())
	zero("sessions", int64(w.srv.Stats.Total(stats.Opened)-w.srv.Stats.Total(stats.Closed)))
	for _, set := range w.sets {
		for _, s := range set.States() {
			zero("requests under way", s.InFlight())
			zero("tunnels", s.Tunnels())
			zero("connections to targets", s.Conns())
		}
	}
	lent := w.thread.Intake().Lent()
	if w.thread.Memory = lent + 1; w.thread.Full() {
		w.fail("memory is left that nobody needs")
	}
	if lent > chain.IntakeSize { // the block that the next read goes into
		w.fail("%d bytes that were read are left", lent)
	}
	for i, k := range w.kernel {
		if !k.closed {
			w.fail("socket %d is not closed", firstFD+i)
		}
	}
	w.placesLeft()
}

// placesLeft says that each client may have as many connections as it might at first.
func (w *world) placesLeft() {
	if w.srv.Limiter == nil {
		return
	}
	w.pass(60 * clock.Second) // bans are over
	for range w.limits.MaxConns {
		if v := w.srv.Limiter.Accept(netip.AddrFrom4([4]byte{192, 0, 2, 1}), int64(w.now())); v.Kind != limiter.Allowed {
			w.fail("places of a client are left: %v", v.Kind)
		}
	}
}

// giveBack gives back what the world itself has, and removes what was uploaded.
func (w *world) giveBack() {
	for _, do := range w.cleanUp {
		do()
	}
	for _, s := range w.sites {
		s.Retire()
		s.Close()
	}
	w.root.Close()
	uploads := filepath.Join(w.dir, "uploads")
	list, _ := os.ReadDir(uploads)
	for _, e := range list {
		os.Remove(filepath.Join(uploads, e.Name()))
	}
}

// descriptors is how many this process has open, 0 where that cannot be told.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// observer is told what happens. Nothing that does is a fault of the server's own.
type observer struct{ w *world }

func (observer) Done(x *session.Exchange) {}
func (o observer) Refused(_ *session.Exchange, f fault.Fault) {
	if f.Reason == fault.Internal {
		o.w.fail("a request was refused for a fault of the server")
	}
}
func (observer) TurnedAway(netip.Addr, fault.Reason) {}
func (o observer) Unsecured(_ netip.Addr, why fault.Reason, detail string) {
	if why == fault.Internal {
		o.w.fail("a connection ended for a fault of the server: %s", detail)
	}
}
func (observer) Broken(*session.Thread, error)       {}
func (observer) Panicked(_ *session.Exchange, v any) { panic(v) }

var _ machine.Host = (*world)(nil)
