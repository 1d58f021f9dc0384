package app

// The two logs: opened at the start, and anew when their files were renamed.
//
// What must not be done: a process that takes the place of a dead one must not fail because a log
// cannot be opened. Nor may anybody wait for a folder that does not answer.

import (
	"errors"
	"io"
	"log/slog"

	"fourways/shared/accesslog"
	"fourways/shared/logging"
)

// openLog opens the server's log.
func (a *App) openLog() error {
	cfg := a.Config.Log
	file, err := logging.Open(cfg.File)
	if err != nil && !a.stage.Revived {
		return unusableLog(err)
	}
	if err != nil {
		file = logging.OpenLater(cfg.File)
	}
	a.logFile, a.form = file, logging.NewForm(cfg.Level, cfg.JSON)
	logger := func(w io.Writer) *slog.Logger {
		return logging.NewLive(w, a.form).With(logging.WorkerKey, a.Name())
	}
	a.lines = logging.NewQueue(a.logFile, logger)
	a.Log = logger(a.lines)
	a.catchStacks()
	a.tellUnopened(err)
	return nil
}

// openAccess opens the access log, if there is to be one.
func (a *App) openAccess() error {
	cfg := a.Config.Log
	if cfg.Access == "" {
		return nil
	}
	access, err := accesslog.Open(cfg.Access, cfg.AccessJSON)
	if err != nil && !a.stage.Revived {
		return unusableAccessLog(err)
	}
	if err != nil {
		access = accesslog.OpenLater(cfg.Access, cfg.AccessJSON)
	}
	a.access.Store(access)
	a.tellUnopened(err)
	return nil
}

// tellUnopened logs that a log could not be opened by a process that serves all the same.
func (a *App) tellUnopened(err error) {
	if err != nil {
		a.Log.Error("A log could not be opened: its lines go to standard error until USR1 or HUP finds it", "error", err)
	}
}

// Reopen has the log files opened again, after something has renamed them. It does not wait for
// that: a folder may not answer.
func (a *App) Reopen() { a.logsAnew.ask(a.reopenLogs) }

func (a *App) reopenLogs() {
	var lost error
	err := a.logFile.Reopen()
	if access := a.access.Load(); access != nil {
		if again := access.Reopen(); errors.Is(again, accesslog.ErrOldFile) {
			lost = again
		} else {
			err = errors.Join(err, again)
		}
	}
	a.catchStacks()
	switch {
	case err != nil:
		a.Log.Error("Log files not reopened, the old ones stay in use", "error", err)
	case lost != nil:
		a.Log.Warn("Log files reopened; lines of the access log could not be written to the old one", "error", lost)
	default:
		a.Log.Info("Log files reopened")
	}
}

// catchStacks has the stacks of a process that ends by a fault go to the log file as well,
// where the stage wants it.
func (a *App) catchStacks() {
	if !a.stage.CatchStacks {
		return
	}
	if err := a.logFile.CatchStacks(); err != nil {
		a.Log.Warn("Stacks will not go to the log file", "error", err)
	}
}

// FlushLogs has what is in front of the log files written. The App logs nothing afterwards.
func (a *App) FlushLogs() {
	if access := a.access.Load(); access != nil {
		access.Flush()
	}
	a.lines.Close()
}
