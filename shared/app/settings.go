package app

// Settings that change while the server runs: HUP in a server that is one process.
//
// The file of -config is read again. What it says otherwise is made beside what is in use: another
// site, another session.Server. When all of it is there it takes the old one's place, so new
// connections and requests go by the new settings, and what is under way ends by the old ones. A
// setting that cannot change in a running process stays, which the log says. What must not be done:
// a mistake must leave nothing changed, and nobody who serves may wait for any of this.
//
// In a server of several processes the new settings come with new workers, and all that they need
// is opened anew (see renew.go).

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"fourways/shared/accesslog"
	"fourways/shared/config"
	"fourways/shared/filecache"
	"fourways/shared/session"
	"fourways/shared/site"
)

// settings is what the server goes by now.
func (a *App) settings() *config.Config {
	if c := a.latest.Load(); c != nil {
		return c
	}
	return a.Config
}

// server is what sessions go by now.
func (a *App) server() *session.Server { return a.Server.Latest() }

// reread takes the settings as they are now, and then has everything else opened anew. While the
// server stops, its settings stay.
func (a *App) reread() {
	slow := time.AfterFunc(rootPatience, func() {
		a.Log.Error("Not reloaded yet, all stays as it was: the files of the settings do not answer")
	})
	defer slow.Stop()
	a.logsAnew.wait() // not for long: they may be moved next
	if a.another != nil && !a.Stats.Stopping() {
		if err := a.changeSettings(); err != nil {
			a.staleAfterReload.Store(true)
			a.Log.Error(fmt.Sprintf("Not reloaded, all stays as it was: %v", Explained(err)))
			return
		}
	}
	a.rootAnew.ask(a.reopenRoot)
	if a.tls.certs != nil {
		a.tlsAnew.ask(a.reloadTLS)
	}
}

// again reads the settings as they are now, for a stage with variables of its own.
func again(other Stage, before *config.Config) (*config.Config, config.Changes, error) {
	return config.Again(other.Stage, os.Args[1:], os.Environ(), before)
}

// tellKept says on the log which settings have stayed as they were.
func (a *App) tellKept(names []string) {
	for _, name := range names {
		a.staleAfterReload.Store(true)
		a.Log.Warn(fmt.Sprintf("-%s stays as it was until the server is started anew: it cannot change while it runs", name))
	}
}

// changeSettings goes by the settings as they are now, or leaves all as it was.
func (a *App) changeSettings() error {
	before := a.settings()
	cfg, changes, err := again(a.another(), before)
	if err != nil {
		return err
	}
	if a.stage.Activated { // it listens where it did, whatever the flags call that
		wantOnly(cfg, a.Listeners)
	}
	if len(changes.Taken) > 0 {
		if err := a.take(before, cfg, slices.Contains(changes.Taken, "max-conns")); err != nil {
			return err
		}
		a.Log.Info("Settings changed: -" + strings.Join(changes.Taken, ", -"))
	}
	a.tellKept(changes.Kept)
	a.tellDoubts(newDoubts(cfg, before))
	return nil
}

// newDoubts are the warnings of settings that those before did not have.
func newDoubts(cfg, before *config.Config) []string {
	return slices.DeleteFunc(slices.Clone(cfg.Warnings), func(w string) bool { return slices.Contains(before.Warnings, w) })
}

// tellDoubts says on the log what is legal and probably not meant.
func (a *App) tellDoubts(warnings []string) {
	for _, w := range warnings {
		a.Log.Warn(w)
	}
}

// take makes everything by other settings, and puts it in the place of what is there. What has been
// changed when something fails is changed back. conns says that -max-conns is among them.
func (a *App) take(before, cfg *config.Config, conns bool) (err error) {
	if err = a.tryAgain(cfg); err != nil {
		return err
	}
	a.renewing.Lock() // nothing else changes what is served
	defer a.renewing.Unlock()
	up, err := a.otherUpstreams(cfg, before)
	if err != nil {
		return err
	}
	defer func() {
		if now := a.upstreams.Load(); err != nil && up != now {
			up.end()
		}
	}()
	for _, step := range []func(to, from *config.Config) error{a.moveLogs, a.moveRoot, a.changeTLS} {
		if err = step(cfg, before); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				step(before, cfg)
			}
		}()
	}
	next, err := a.site.Load().Again(a.siteConfig(cfg))
	if err != nil {
		return unusableSite(err)
	}
	srv, gate, err := a.newServer(cfg, next, up)
	if err != nil {
		return err
	}
	a.most = a.mostConns(cfg, up)
	srv.MaxConns = a.fitting(cfg, conns || up != a.upstreams.Load())
	a.latest.Store(cfg)
	a.form.Set(cfg.Log.Level, cfg.Log.JSON)
	a.gate = gate
	a.server().Succeed(srv)
	a.changeSite(next)
	if old := a.upstreams.Swap(up); old != up {
		old.end()
		a.tellRules(cfg)
	}
	a.Adapt()
	if cfg.Root != before.Root || cfg.Uploads != before.Uploads {
		a.Log.Info(fmt.Sprintf("Serving files from %q", a.rootName()))
		a.tellUploads()
	}
	return nil
}

// tryAgain tries what is served as a start would, before anything is changed.
func (a *App) tryAgain(cfg *config.Config) error {
	next := &App{Config: cfg, stage: a.stage, Log: slog.New(slog.DiscardHandler)}
	if err := next.trySite(); err != nil {
		return err
	}
	return next.tryPasswords()
}

// moveLogs has the logs written where the settings say, if that is elsewhere.
func (a *App) moveLogs(to, from *config.Config) error {
	if err := a.moveLog(to.Log.File, from.Log.File); err != nil {
		return unusableLog(err)
	}
	if to.Log.Access == from.Log.Access && to.Log.AccessJSON == from.Log.AccessJSON {
		return nil
	}
	if err := a.moveAccessLog(to.Log.Access, to.Log.AccessJSON); err != nil {
		a.moveLog(from.Log.File, to.Log.File)
		return unusableAccessLog(err)
	}
	return nil
}

func (a *App) moveLog(to, from string) error {
	if to == from {
		return nil
	}
	err := a.logFile.Move(to)
	if err == nil {
		a.catchStacks()
	}
	return err
}

// moveAccessLog has the access log written to another file. One that is not wanted any more gets no
// lines; it lets go of its file, and is there for the next that is.
func (a *App) moveAccessLog(path string, json bool) (err error) {
	access := a.access.Load()
	switch {
	case access == nil && path == "":
		return nil
	case access == nil:
		if access, err = accesslog.Open(path, json); err == nil {
			a.access.Store(access)
		}
		return err
	case path == "":
		err = access.Silence()
	default:
		err = access.Move(path, json)
	}
	if errors.Is(err, accesslog.ErrOldFile) {
		a.Log.Warn("Lines of the access log could not be written to the old file", "error", err)
		return nil
	}
	return err
}

// moveRoot serves another folder, and has uploads go elsewhere, if the settings say so.
func (a *App) moveRoot(to, from *config.Config) error {
	if to.Root == from.Root && to.Uploads == from.Uploads {
		return nil
	}
	dir, err := a.rootOf(to)
	if err != nil {
		return err
	}
	was := a.rootName()
	a.folder.use(func() {
		if dir != was {
			err = a.folder.Move(dir)
		}
	})
	if err != nil {
		return unusableRoot(dir, err)
	}
	if err = a.site.Load().ChangeUploads(uploadsOf(to)); err != nil {
		a.folder.use(func() { a.folder.Move(was) })
		return unusableUploads(err)
	}
	a.rootGone.Store(false)
	return nil
}

// changeTLS shows the certificates that the settings name, by the versions and groups that they
// allow. The files are read once more with all others ([App.reloadTLS]).
func (a *App) changeTLS(to, from *config.Config) error {
	names := to.TLS.SelfSigned && !slices.Equal(to.Hosts, from.Hosts)
	if a.tls.certs == nil || reflect.DeepEqual(to.TLS, from.TLS) && !names {
		return nil
	}
	a.tls.mu.Lock()
	before := a.tls.keys
	a.tls.mu.Unlock()
	if _, err := readTicketKeys(to.TLS.TicketKeys, before); err != nil {
		return err
	}
	if _, err := a.tls.certs.Change(a.certOptions(to)); err != nil {
		return err
	}
	a.tls.mu.Lock()
	defer a.tls.mu.Unlock()
	a.tls.inUse = nil // the keys are set once more, should they have changed meanwhile
	a.takeTicketKeys(a.calendar())
	return nil
}

// changeSite has another site tell of its cache, and ends the one before.
func (a *App) changeSite(next *site.Site) {
	a.Publish()
	a.published.mu.Lock()
	old := a.site.Swap(next)
	a.published.cache = filecache.Stats{} // which counts from 0
	a.published.mu.Unlock()
	old.Retire()
}

// Adapt has the allowed rate follow what the settings say, until EndAdapting. Of several processes
// one does it for all.
func (a *App) Adapt() {
	a.EndAdapting()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopAdapting = Adapt(a.server().Limiter, a.Stats, a.atWork(), a.Log, a.settings().Clients.Adaptive)
}

// EndAdapting ends that, if it was begun.
func (a *App) EndAdapting() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopAdapting != nil {
		a.stopAdapting()
		a.stopAdapting = nil
	}
}
