package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"

	"fourways/shared/accesslog"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// observer writes what sessions report into the logs. It is used by all threads.
type observer struct {
	log    *slog.Logger
	access *accesslog.Logger // nil for none
}

// Done writes an answer's line into the access log.
func (o observer) Done(x *session.Exchange) {
	if o.access == nil {
		return
	}
	r := x.Request()
	took := sysnet.Now() - x.Began()
	o.access.Log(&accesslog.Entry{
		Client:    x.Client(),
		Time:      x.Clock().UnixNano() - int64(x.Clock().Now()-x.Began()),
		Duration:  int64(took),
		Status:    x.Status(),
		Bytes:     x.Sent(),
		Method:    r.MethodName,
		Target:    r.Target,
		Proto:     protocol(r),
		Referer:   r.Get(http1.Referer),
		UserAgent: r.Get(http1.UserAgent),
		ID:        x.ID(),
	})
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

// Refused writes one line that says who was turned away and why. The request's line is
// what the client sent, so the log escapes it.
func (o observer) Refused(x *session.Exchange, f http1.Fault) {
	if !f.Reason.Refusal() || !o.log.Enabled(context.Background(), slog.LevelWarn) {
		return
	}
	o.log.Warn("refused",
		"client", clientName(x),
		"reason", f.Reason.String(),
		"status", f.Status,
		"id", string(x.ID()),
		"request", string(x.Request().Line))
}

// TurnedAway writes a line for a client that was not let in. A banned one was reported
// when it was banned; that it comes again is worth a line only to those who look closely.
func (o observer) TurnedAway(peer netip.Addr, why http1.Reason) {
	level := slog.LevelWarn
	if why == http1.Banned {
		level = slog.LevelDebug
	}
	o.log.Log(context.Background(), level, "refused", "client", peer.String(), "reason", why.String())
}

// Panicked writes the stack of a fault of ours, with the id that the client was told.
func (o observer) Panicked(x *session.Exchange, value any) {
	o.log.Error("panic while serving",
		"id", string(x.ID()),
		"request", string(x.Request().Line),
		"panic", fmt.Sprint(value),
		"stack", string(debug.Stack()))
}

// trouble writes what went wrong on our side of a request that was refused for it.
func (a *App) trouble(x *session.Exchange, err error) {
	a.Log.Error("request failed", "id", string(x.ID()), "request", string(x.Request().Line), "error", err)
}

func clientName(x *session.Exchange) string {
	if !x.Client().IsValid() {
		return "unix"
	}
	return x.Client().String()
}
