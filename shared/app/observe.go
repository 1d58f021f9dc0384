package app

// What sessions report, as lines of the log and of the access log.
//
// Every thread that serves calls the observer, so it keeps nothing but the two loggers and a time,
// and never the Exchange. What must not be done: a client's own text must not go into the log
// unbounded, or a refused client could make us write more than it costs to send. Escaping is the
// loggers' business.

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"fourways/shared/accesslog"
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/logging"
	"fourways/shared/session"
	"fourways/shared/site"
	"fourways/shared/sysnet"
)

// observer writes what sessions report into the logs. It is used by all threads.
type observer struct {
	log    *slog.Logger
	access *accesslog.Logger // nil for none
	// hidden is when it was last logged that somebody asked for what only others see, in
	// nanoseconds of the monotonic clock; 0 for never.
	hidden *atomic.Int64
}

// Done writes an answer's line into the access log.
func (o observer) Done(x *session.Exchange) {
	if o.access == nil {
		return
	}
	r := x.Request()
	took := sysnet.Now() - x.Began()
	secured := x.Security()
	version, cipher := tlsNames(secured)
	to := x.Upstream()
	o.access.Log(&accesslog.Entry{
		Client:    x.Client(),
		Time:      x.Clock().UnixNano() - int64(x.Clock().Now()-x.Began()),
		Duration:  int64(took),
		Status:    x.Status(),
		Bytes:     x.Sent(),
		Method:    r.MethodName,
		Target:    discreet(r.Target),
		Proto:     protocol(r),
		Referer:   r.Get(http1.Referer),
		UserAgent: r.Get(http1.UserAgent),
		ID:        x.ID(),

		TLS:        version,
		Cipher:     cipher,
		Resumed:    secured.Resumed,
		ServerName: secured.ServerName,

		Upstream: to.Name,
		Connect:  int64(to.Connect),
		Head:     int64(to.Head),
		Whole:    int64(to.Whole),
	})
}

// tlsNames is the version and the cipher that a client of TLS agreed on with us, as nginx writes
// them; empty for no TLS.
func tlsNames(s session.Security) (version, cipher string) {
	switch s.Version {
	case 0:
		return "", ""
	case tls.VersionTLS12:
		return "TLSv1.2", tls.CipherSuiteName(s.Suite)
	}
	return "TLSv1.3", tls.CipherSuiteName(s.Suite)
}

var http10, http11 = []byte("HTTP/1.0"), []byte("HTTP/1.1")

func protocol(r *http1.Request) []byte {
	switch {
	case len(r.Target) == 0:
		return nil
	case r.Minor == 0:
		return http10
	}
	return http11
}

// Refused writes one line that says which client was turned away and why. The request's line is
// what the client sent, so the log escapes it, and what is the client's comes last.
func (o observer) Refused(x *session.Exchange, f fault.Fault) {
	if f.Reason == fault.NotFound {
		o.notShown(x)
	}
	if !f.Reason.Refusal() || !o.log.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	line := []any{
		"client", clientName(x),
		"reason", f.Reason.String(),
		"status", f.Status,
		"id", string(x.ID()),
		"request", shortLine(x),
	}
	switch f.Reason { // what is another's attack may be one's own setting
	case fault.ForeignHost:
		line = append(line, "host", shortened(discreet(hostOf(x.Request()))), "see", "-host")
	case fault.Misdirected:
		line = append(line, "host", shortened(hostOf(x.Request())), "asked", shortened([]byte(x.Security().ServerName)))
	case fault.RefusedType:
		line = append(line, "see", "-types")
	}
	o.log.Warn("refused", line...)
}

// hostOf is the Host that a request asks for.
func hostOf(r *http1.Request) []byte {
	if r.Form == http1.AbsoluteForm {
		return r.Authority
	}
	return r.Get(http1.Host)
}

// notShownEvery is how often it is said that somebody asks for what others may see.
const notShownEvery = time.Minute

// notShown says, now and then, that a request for a monitoring route or a probe was answered with
// 404, and by which flag its client could see it: who has set up a Prometheus wonders why.
func (o observer) notShown(x *session.Exchange) {
	flag := site.ShownBy(x.Path())
	if flag == "" {
		return
	}
	now, last := int64(x.Clock().Now()), o.hidden.Load()
	if last != 0 && now-last < int64(notShownEvery) || !o.hidden.CompareAndSwap(last, now) {
		return
	}
	o.log.Info("Not shown, as if it was not there", "client", clientName(x), "path", string(x.Path()), "see", flag)
}

// maxLogged is how many bytes of a request's line a line of the log takes, as they are
// written: a refusal must not make us write more than it costs to send.
const maxLogged = 300

// shortLine is the request's line, or its beginning and its length where it is long.
func shortLine(x *session.Exchange) string {
	line := x.Request().Line
	target := bytes.IndexByte(line, ' ') + 1 // 0 where there is none
	return shortened(append(line[:target:target], discreet(line[target:])...))
}

// discreet leaves out of a target, and what follows it, the name and password that may stand in
// front of a host, as in http://ann:secret@example.org/ (RFC 3986 3.2.1). Such a request is
// refused, and its log is not to keep them. A path may have an @, which stays.
func discreet(target []byte) []byte {
	if bytes.IndexByte(target, '@') < 0 {
		return target
	}
	const ends = " /?#"
	host := 0
	if scheme := bytes.Index(target, []byte("://")); scheme >= 0 && !bytes.ContainsAny(target[:scheme], ends) {
		host = scheme + len("://")
	}
	end := len(target)
	if i := bytes.IndexAny(target[host:], ends); i >= 0 {
		end = host + i
	}
	at := bytes.LastIndexByte(target[host:end], '@')
	if at < 0 {
		return target
	}
	return slices.Concat(target[:host], []byte("..."), target[host+at:])
}

func shortened(line []byte) string {
	written := 0
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRune(line[i:])
		switch {
		case r == '"' || r == '\\':
			written += 2
		case size == 1 && ' ' <= r && r <= '~':
			written++
		default:
			written += longestEscape
		}
		if written > maxLogged {
			return fmt.Sprintf("%s... (%d bytes)", line[:i], len(line))
		}
		i += size
	}
	return string(line)
}

// longestEscape is what a character may become in the log, in bytes: \ud83d\ude00.
const longestEscape = 12

// TurnedAway writes a line for a client that was not let in. A banned one was reported
// when it was banned; that it comes again is worth a line only to those who look closely.
func (o observer) TurnedAway(peer netip.Addr, why fault.Reason) {
	level := slog.LevelWarn
	if why == fault.Banned {
		level = slog.LevelDebug
	}
	o.log.Log(context.Background(), level, "refused", "client", addrName(peer), "reason", why.String())
}

// Unsecured writes one line for a connection that was ended below HTTP, and that it was not our
// doing at debug level only: who leaves in the midst of a handshake harms nobody.
func (o observer) Unsecured(peer netip.Addr, why fault.Reason, detail string) {
	level := slog.LevelWarn
	if !why.Refusal() {
		level = slog.LevelDebug
	}
	if !o.log.Enabled(context.Background(), level) {
		return
	}
	o.log.Log(context.Background(), level, "refused", "client", addrName(peer), "reason", why.String(), "detail", shortened([]byte(detail)))
}

// Broken writes why an answer broke off, in the name of the thread that was sending it.
func (o observer) Broken(t *session.Thread, err error) {
	o.log.With(logging.WorkerKey, t.Worker).Error("Connection closed: " + err.Error())
}

// Panicked writes the stack of a fault of ours, with the id that the client was told.
func (o observer) Panicked(x *session.Exchange, value any) {
	o.log.Error("panic while serving",
		"id", string(x.ID()),
		"request", shortLine(x),
		"panic", fmt.Sprint(value),
		"stack", string(debug.Stack()))
}

// trouble writes what went wrong on our side of a request that was refused for it.
func (a *App) trouble(x *session.Exchange, err error) {
	a.Log.Error("request failed", "id", string(x.ID()), "request", shortLine(x), "error", shortened([]byte(err.Error())))
}

// passedOver writes why a compressed file is not sent in place of its original.
func (a *App) passedOver(name string, why error) {
	a.Log.Info("Compressed file not sent", "file", name, "reason", why)
}

// outside explains once what the author of a link may not know. Each refusal has its own line as
// well.
func (a *App) outside(path string) {
	a.Log.Info("A symbolic link leads out of the root; an absolute one always does, also to a file inside: ln -sr makes relative ones", "path", path)
}

func clientName(x *session.Exchange) string {
	if x.Unknown() {
		return "unknown"
	}
	return addrName(x.Client())
}

// addrName is a client's address; those of Unix sockets have none.
func addrName(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unix"
	}
	return addr.String()
}
