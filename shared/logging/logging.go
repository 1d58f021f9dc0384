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
	"io"
	"log/slog"
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
	if json {
		return slog.New(slog.NewJSONHandler(printable{w}, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&textHandler{out: w, level: level})
}
