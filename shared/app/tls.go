package app

// The certificates that a process shows, the keys of its session tickets, and what is told of both.
//
// They are read before anything is served, and again on HUP: all of them or none. One process of a
// server reads the files, and the others get what it has read ([App.Secrets]), so a worker that
// takes a dead one's place does not stumble over a file that somebody is about to change. The keys
// of tickets lie in memory that all processes share, unless they are in a file; the process that
// has read the files makes new ones. What must not be done: nobody who serves waits for any of
// that.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fourways/shared/certs"
	"fourways/shared/clock"
	"fourways/shared/config"
	"fourways/shared/fault"
	"fourways/shared/figures"
	"fourways/shared/secure"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
	"fourways/shared/tickets"
)

// What a handshake has allocated is garbage once it has ended, several times what its connection
// then holds. Where so many have ended and no more come for a while, it is given back.
const (
	giveBackAfter = 256 // handshakes
	giveBackPause = 3   // looks, one a second
)

const (
	// warnEvery is how often it is said again that a certificate ends.
	warnEvery = 24 * time.Hour
	// renewEvery is how often it is tried to renew one of our own making.
	renewEvery = time.Hour
)

// TicketsMemory is the region of the ticket keys.
const TicketsMemory = "tickets"

// identity is what a process shows its TLS clients. The zero value is that of one without TLS.
type identity struct {
	certs *certs.Store  // nil for none
	ring  *tickets.Ring // not used where the keys are from a file

	mu                      sync.Mutex
	keys                    fileKeys      // those of the file
	inUse                   []tickets.Key // set on the tls.Config
	looked, warned, renewed time.Time     // by the calendar

	anew repeated // a certificate of our own making is renewed

	ended  int64 // handshakes, at the last look
	given  int64 // of these, when their memory was last given back
	paused int   // looks at which no further one had ended
}

// fileKeys is the keys of a file, as they are passed on to other processes.
type fileKeys struct {
	Keys    []tickets.Key // none without a file
	Warning string        // about the file itself; empty for none
	Path    string        // of the file, as it was read
	Mark    sysnet.Mark
	Kept    string // why it was not read again; empty if it was
}

// secrets is what the process that reads the files passes on to the others.
type secrets struct {
	Certs json.RawMessage // see certs.Store
	Keys  fileKeys
}

// openTLS reads certificates and keys. The region is there in any case, since it is inherited.
func (a *App) openTLS() error {
	region, err := a.memory(TicketsMemory, tickets.Size)
	if err != nil {
		return err
	}
	if a.tls.ring, err = tickets.Open(region); err != nil {
		return err
	}
	c := &a.Config.TLS
	if len(c.Listen) == 0 {
		return nil
	}
	var given secrets
	if a.stage.Secrets != nil {
		if err := json.Unmarshal(a.stage.Secrets, &given); err != nil {
			return fmt.Errorf("inherited certificates: %w", err)
		}
		a.tls.keys = given.Keys
	}
	var before secrets
	json.Unmarshal(a.stage.Earlier, &before) // none at the start
	if a.stage.Secrets == nil {
		if a.tls.keys, err = readTicketKeys(c.TicketKeys, before.Keys); err != nil {
			return err
		}
	}
	opt := a.certOptions(a.Config)
	opt.Material, opt.Before = given.Certs, before.Certs
	if a.tls.certs, err = certs.Load(opt); err != nil {
		return err
	}
	a.secure = &secure.Server{
		Config:  a.tls.certs.TLSConfig,
		Timeout: clock.Time(c.HandshakeTimeout),
		Most:    int64(c.Handshakes),
	}
	a.tls.warned = a.calendar() // the banner does it
	a.TendTLS()
	return nil
}

// certOptions is which certificates are to be loaded.
func (a *App) certOptions(cfg *config.Config) certs.Options {
	c := &cfg.TLS
	opt := certs.Options{MinVersion: c.MinVersion, Groups: c.Groups, Now: a.calendar}
	for _, p := range c.Pairs {
		opt.Pairs = append(opt.Pairs, certs.Pair(p))
	}
	if c.SelfSigned {
		opt.SelfSigned = selfSigned(cfg)
	}
	return opt
}

// redirects is where plain HTTP is sent, or nil: to the port of the first listener of TLS that has
// one, or to that which is mapped to it.
func (a *App) redirects() func() uint16 {
	if !a.Config.TLS.Redirect {
		return nil
	}
	return func() uint16 {
		if port := a.Config.TLS.Port; port != 0 {
			return uint16(port)
		}
		i := slices.IndexFunc(a.Listeners, func(l Listener) bool { return l.TLS && l.Addr.Path == "" })
		return a.Listeners[max(i, 0)].Addr.IP.Port()
	}
}

// Secrets is what another process of the server needs to show the same certificates, keys included;
// nil without TLS. Nobody else may see it.
func (a *App) Secrets() []byte {
	if a.tls.certs == nil {
		return nil
	}
	a.tls.mu.Lock()
	defer a.tls.mu.Unlock()
	text, _ := json.Marshal(secrets{Certs: a.tls.certs.Material(), Keys: a.tls.keys}) // which has nothing that cannot be written
	return text
}

// readTicketKeys reads the keys of a file, if one is named. Those from before stay where this
// process may not read it any more.
func readTicketKeys(path string, before fileKeys) (k fileKeys, err error) {
	if path == "" {
		return k, nil
	}
	text, info, err := sysnet.ReadSmall(path, tickets.MaxFile)
	if err != nil {
		err = fmt.Errorf("cannot read the ticket keys: %w", err)
		if !errors.Is(err, fs.ErrPermission) || before.Path != path {
			return k, err
		}
		if before.Kept = ""; !before.Mark.Unchanged(path) {
			before.Kept = err.Error()
		}
		return before, nil
	}
	k.Path, k.Mark = path, sysnet.MarkOf(info)
	if k.Keys, err = tickets.Parse(text); err != nil {
		return k, fmt.Errorf("the file of ticket keys %q %w", path, err)
	}
	if mode := info.Mode().Perm(); mode&0o044 != 0 {
		k.Warning = fmt.Sprintf("The ticket keys %q can be read by others than their owner (mode %04o): chmod 600", path, mode)
	}
	return k, nil
}

// selfSigned is whom a certificate of our own making is for.
func selfSigned(c *config.Config) *certs.SelfSigned {
	s := &certs.SelfSigned{}
	for _, host := range c.Hosts {
		name, _, err := net.SplitHostPort(host)
		if err != nil { // it has no port
			name = strings.Trim(host, "[]")
		}
		if ip, err := netip.ParseAddr(name); err == nil {
			s.Addrs = append(s.Addrs, ip)
		} else if name != "*" {
			s.Names = append(s.Names, name)
		}
	}
	for _, l := range c.TLS.Listen {
		switch ip := l.AddrPort.Addr(); {
		case !ip.IsValid(): // a Unix socket
		case ip.IsUnspecified():
			s.Addrs = append(s.Addrs, slices.DeleteFunc(interfaceAddrs(), netip.Addr.IsLinkLocalUnicast)...)
		default:
			s.Addrs = append(s.Addrs, ip)
		}
	}
	return s
}

// calendar is the time of day by which certificates and session tickets are judged.
func (a *App) calendar() time.Time {
	now := time.Now()
	if a.Config.TLS.Days == "" {
		return now
	}
	text, _ := os.ReadFile(a.Config.TLS.Days)
	days, _ := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	return now.Add(time.Duration(days * float64(24*time.Hour)))
}

// passed reports whether so much time has passed, or the clock was set back.
func passed(now, then time.Time, d time.Duration) bool {
	since := now.Sub(then)
	return since < 0 || since >= d
}

// TendTLS does what is to be done as time goes by: it looks for new ticket keys, makes them where
// that is this process's task, says again what is wrong with the dates, and has a certificate of
// our own making renewed. It is called once a second, mostly does nothing, and waits for no disk.
func (a *App) TendTLS() {
	if a.tls.certs == nil {
		return
	}
	a.tls.mu.Lock()
	defer a.tls.mu.Unlock()
	now := a.calendar()
	if passed(now, a.tls.looked, tickets.Look) {
		a.tls.looked = now
		a.takeTicketKeys(now)
	}
	if a.tls.mayGiveBack(a.secure.Ended()) {
		go debug.FreeOSMemory() // it takes milliseconds
	}
	if passed(now, a.tls.warned, warnEvery) && a.readsFiles() {
		a.tls.warned = now
		a.warnOfCertificates(now)
	}
	if a.tls.certs.Due(now) && passed(now, a.tls.renewed, renewEvery) {
		a.tls.renewed = now
		a.tls.anew.ask(a.renewCertificate)
	}
}

// renewCertificate has another certificate of our own making. Each process does so for itself: what
// one has made the others find.
func (a *App) renewCertificate() {
	if err := a.tls.certs.Renew(); err != nil {
		a.Log.Error(fmt.Sprintf("The self-signed certificate was not renewed: %v", err))
	} else if a.readsFiles() {
		a.Log.Info("The self-signed certificate was about to end, and is another one now")
		a.tellCertificates()
	}
}

// mayGiveBack reports whether it is time to give memory back, when so many handshakes have ended.
func (t *identity) mayGiveBack(ended int64) bool {
	if ended != t.ended {
		t.ended, t.paused = ended, 0
		return false
	}
	t.paused++
	if t.paused < giveBackPause || ended-t.given < giveBackAfter {
		return false
	}
	t.given = ended
	return true
}

// readsFiles reports whether this is the process that reads the files.
func (a *App) readsFiles() bool { return a.stage.Process == 0 }

// takeTicketKeys has the keys used that there are now. It is called under the lock.
func (a *App) takeTicketKeys(now time.Time) {
	keys := a.tls.keys.Keys
	if len(keys) == 0 {
		if a.readsFiles() {
			a.tls.ring.Rotate(now)
		}
		keys = a.tls.ring.Keys(now)
	}
	if len(keys) > 0 && !slices.Equal(keys, a.tls.inUse) {
		if len(a.tls.inUse) > 0 && keys[0] != a.tls.inUse[0] {
			a.Log.Debug("Session tickets are encrypted by another key from now on")
		}
		a.tls.certs.TLSConfig().SetSessionTicketKeys(keys)
		a.tls.inUse = keys
	}
}

// reloadTLS reads the files again. Where one is no good, all stays as it was. Where one does not
// answer there is somebody who waits for the new certificates, and is told why they do not come.
func (a *App) reloadTLS() {
	slow := time.AfterFunc(rootPatience, func() {
		a.Log.Error("Certificates not reloaded yet, the old ones stay in use: their files do not answer")
	})
	defer slow.Stop()
	a.tls.mu.Lock()
	before := a.tls.keys
	a.tls.mu.Unlock()
	keys, err := readTicketKeys(a.settings().TLS.TicketKeys, before)
	changed := false
	if err == nil {
		changed, err = a.tls.certs.Reload()
	}
	if err != nil {
		a.staleAfterReload.Store(true)
		a.Log.Error(fmt.Sprintf("Certificates not reloaded, the old ones stay in use: %v", err))
		return
	}
	a.tls.mu.Lock()
	a.tls.keys = keys
	a.takeTicketKeys(a.calendar())
	a.tls.mu.Unlock()
	if len(a.KeptSecrets()) > 0 {
		a.staleAfterReload.Store(true)
	}
	if changed {
		a.Log.Info("Certificates reloaded")
	}
	a.tellCertificates()
}

// KeptSecrets says of each pair, and of the ticket keys, that this process may not read any more,
// why they are those from before. Those whose files have not changed since are not among them.
func (a *App) KeptSecrets() (why []string) {
	if a.tls.certs == nil {
		return nil
	}
	a.tls.mu.Lock()
	defer a.tls.mu.Unlock()
	if a.tls.keys.Kept != "" {
		why = append(why, a.tls.keys.Kept)
	}
	return append(why, a.tls.certs.Kept()...)
}

// tellCertificates says on the log whom the certificates are for, and what is wrong with them.
func (a *App) tellCertificates() {
	if a.tls.certs == nil {
		return
	}
	for _, why := range a.KeptSecrets() {
		a.Log.Error(fmt.Sprintf("Not reloaded, the old one stays in use: %s; let the server's user read it, or restart the server", why))
	}
	for _, c := range a.tls.certs.Certificates() {
		a.Log.Info(c.String())
	}
	for _, text := range a.tls.certs.Warnings() {
		a.Log.Warn(text)
	}
	a.tls.mu.Lock()
	defer a.tls.mu.Unlock()
	if a.tls.keys.Warning != "" {
		a.Log.Warn(a.tls.keys.Warning)
	}
	a.warnOfCertificates(a.calendar())
}

func (a *App) warnOfCertificates(now time.Time) {
	for _, text := range a.tls.certs.WarningsOfTime(now) {
		a.Log.Warn(text)
	}
}

// ofCertificates tells whom the certificates are for, and until when.
func (a *App) ofCertificates(l *figures.List) {
	if a.tls.certs == nil {
		return
	}
	for i, c := range a.tls.certs.Certificates() {
		name := ""
		if len(c.Names) > 0 {
			name = c.Names[0]
		}
		l.Item("certificates", []string{"pair", fmt.Sprint(i + 1), "name", name},
			figures.Row{JSON: "names", Kind: figures.Fact, Value: c.Names},
			figures.Row{JSON: "key", Long: true, Kind: figures.Fact, Value: c.Kind},
			figures.Row{JSON: "expires", Kind: figures.Fact, Value: c.Ends.UTC()},
			figures.Row{JSON: "sha256", Long: true, Kind: figures.Fact, Value: c.Fingerprint},
			figures.Row{Name: "fourways_certificate_expiry_time_seconds", Help: "When a certificate expires, since unix epoch in seconds.", Unit: figures.Time, Value: c.Ends.Unix()},
		)
	}
}

// ofTLS tells of handshakes and of what they agreed on.
func (a *App) ofTLS(l *figures.List) {
	if a.secure == nil {
		return
	}
	s := a.Stats
	// First: what is opened meanwhile must not make the rest negative.
	secured, relayed := s.Total(stats.TLSConns), s.Total(stats.Relayed)
	for _, f := range []struct {
		json, name, help, label, value string
		n                              uint64
	}{
		{"connections.https", "fourways_protocol_connections_total", "Connections taken into service, by protocol.", "protocol", "https", secured},
		{"connections.http", "fourways_protocol_connections_total", "", "protocol", "http", s.Total(stats.Opened) - secured - relayed},
		{"tls.handshakes.full", "fourways_tls_handshakes_total", "Handshakes of TLS, by what came of them.", "result", "full", s.Total(stats.HandshakesFull)},
		{"tls.handshakes.resumed", "fourways_tls_handshakes_total", "", "result", "resumed", s.Total(stats.HandshakesResumed)},
		{"tls.handshakes.failed", "fourways_tls_handshakes_total", "", "result", "failed", s.Total(stats.HandshakesFailed)},
		{"tls.versions.1_2", "fourways_tls_versions_total", "Handshakes by the version agreed on.", "version", "1.2", s.Total(stats.TLS12)},
		{"tls.versions.1_3", "fourways_tls_versions_total", "", "version", "1.3", s.Total(stats.TLS13)},
		{"tls.groups.x25519mlkem768", "fourways_tls_groups_total", "Handshakes by the group that keys were agreed on in.", "group", "X25519MLKEM768", s.Total(stats.GroupHybrid)},
		{"tls.groups.x25519", "fourways_tls_groups_total", "", "group", "X25519", s.Total(stats.GroupX25519)},
		{"tls.groups.p256", "fourways_tls_groups_total", "", "group", "P-256", s.Total(stats.GroupP256)},
		{"tls.groups.p384", "fourways_tls_groups_total", "", "group", "P-384", s.Total(stats.GroupP384)},
		{"tls.groups.p521", "fourways_tls_groups_total", "", "group", "P-521", s.Total(stats.GroupP521)},
		{"tls.groups.other", "fourways_tls_groups_total", "", "group", "other", s.Total(stats.GroupOther)},
	} {
		l.Add(figures.Row{JSON: f.json, Long: !strings.HasPrefix(f.json, "tls.handshakes"), Name: f.name, Help: f.help, Kind: figures.Counter, Labels: []string{f.label, f.value}, Value: f.n})
	}
	h := s.Handshakes()
	mean := 0.0
	if h.Count > 0 {
		mean = round(float64(h.Nano)/float64(h.Count)/1e3, 1)
	}
	l.Add(
		figures.Row{JSON: "tls.truncated", Long: true, Name: "fourways_tls_truncated_connections_total", Help: "Connections that their clients ended without saying so.", Kind: figures.Counter, Value: s.Total(stats.Truncated)},
		figures.Row{JSON: "tls.failed", Long: true, Kind: figures.Fact, Value: a.failedHandshakes()},
		figures.Row{Name: "fourways_tls_handshake_duration_seconds", Help: "Time from a client's hello to the end of its handshake.", Kind: figures.Histogram, Unit: figures.Seconds, Value: distribution(h)},
		figures.Row{JSON: "tls.handshake_microseconds.mean", Long: true, Value: mean},
		figures.Row{JSON: "tls.handshake_microseconds.p50", Long: true, Value: h.Quantile(500)},
		figures.Row{JSON: "tls.handshake_microseconds.p99", Long: true, Value: h.Quantile(990)},
	)
}

// failedHandshakes is how often each reason has ended a handshake. Those are among the refusals and
// errors as well.
func (a *App) failedHandshakes() map[string]uint64 {
	occurred := map[string]uint64{}
	for _, why := range fault.OfHandshakes {
		if n := a.Stats.Refused(why); n > 0 {
			occurred[why.String()] = n
		}
	}
	return occurred
}
