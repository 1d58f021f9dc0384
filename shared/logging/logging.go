// Package logging writes the server's own log: one line for each event, as text for people or as
// JSON for machines.
//
// A line reaches its writer in one Write, so lines of several threads and processes never mix.
// Nothing that a client sent can end a line or forge one: whatever is not printable is escaped
// here, and callers hand over raw bytes.
//
// Loggers are safe for concurrent use. The writer belongs to its creator. Writing a log may wait
// for a disk: an event loop logs what is rare (a refusal, a failure), never each request; those are
// for package accesslog.
package logging

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
)

// WorkerKey is the attribute that names who speaks. The text form shows it in brackets before the
// message:
//
//	logger.With(logging.WorkerKey, "worker-1")
const WorkerKey = "worker"

// New returns a logger of one JSON object a line, or of lines like
//
//	[2024-03-15 10:30:00] [worker-1] message key=value
//
// Records below level cost a comparison.
func New(w io.Writer, level slog.Level, json bool) *slog.Logger {
	return NewLive(w, NewForm(level, json))
}

// Form is which records are written, and how. It may be changed while its loggers are in use.
type Form struct {
	level slog.LevelVar
	json  atomic.Bool
}

// NewForm is records of a level and above, as JSON or as text.
func NewForm(level slog.Level, json bool) *Form {
	f := &Form{}
	f.Set(level, json)
	return f
}

// Set changes it, for all records from now on.
func (f *Form) Set(level slog.Level, json bool) {
	f.level.Set(level)
	f.json.Store(json)
}

// NewLive is New, with a form that may change.
func NewLive(w io.Writer, f *Form) *slog.Logger {
	return slog.New(&either{form: f,
		text: &textHandler{out: w, level: &f.level},
		json: slog.NewJSONHandler(printable{w}, &slog.HandlerOptions{Level: &f.level}),
	})
}

// either is the handler of both forms. It is immutable, except for the form.
type either struct {
	form       *Form
	text, json slog.Handler
}

func (e *either) now() slog.Handler {
	if e.form.json.Load() {
		return e.json
	}
	return e.text
}

func (e *either) Enabled(_ context.Context, level slog.Level) bool {
	return level >= e.form.level.Level()
}

func (e *either) Handle(c context.Context, r slog.Record) error { return e.now().Handle(c, r) }

func (e *either) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &either{form: e.form, text: e.text.WithAttrs(attrs), json: e.json.WithAttrs(attrs)}
}

func (e *either) WithGroup(name string) slog.Handler {
	return &either{form: e.form, text: e.text.WithGroup(name), json: e.json.WithGroup(name)}
}
