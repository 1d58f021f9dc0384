package app

// Other settings in a server of several processes: all that they need is opened beside what is in
// use, in a second App, and new workers are started by that. One of the two Apps is then ended.
//
// The sockets that both want are the same, as is the memory. What must not be done: a socket must
// not be closed that the other App still has.

// Renewal is what opens, beside a, all that the settings as they are then ask for. It may wait, so
// it may be called on any goroutine, and goes by what a has now. The stage is a's with variables of
// its own. Where it fails nothing has changed; if there is an App all the same it is to be
// discarded.
func (a *App) Renewal(stage Stage) (open func() (next *App, err error)) {
	before := a.settings()
	stage.Inherited = a.stage.Inherited
	stage.Listeners, stage.Known, stage.Site, stage.Earlier = a.Listeners, a.known(), a.Unpacked(), a.Secrets()
	stage.Threads = nil // the new workers replace the old ones one by one, and each checks the limit itself
	return func() (*App, error) {
		cfg, changes, err := again(stage, before)
		if err != nil {
			return nil, err
		}
		next, err := Open(stage, cfg)
		next.kept, next.doubts = changes.Kept, newDoubts(cfg, before)
		return next, err
	}
}

// TellRenewed says on the log by what a renewed App goes.
func (a *App) TellRenewed() {
	a.tellKept(a.kept)
	a.tellDoubts(a.doubts)
	a.tellCertificates()
}

// Discard ends an App of a Renewal, which is not to serve. What that has unpacked is a's. Where it
// has started one worker, its trial, that has ended; further ones may go by its upstreams still.
func (a *App) Discard(next *App) {
	if up := next.upstreams.Load(); up != nil && next.started <= 1 {
		up.GiveBack()
	}
	CloseForGood(Without(next.Listeners, next.stage.Listeners))
	if u := next.Unpacked(); u.Folder != "" {
		a.mu.Lock()
		a.unpacked = u
		a.mu.Unlock()
	}
	next.Close()
}

// LetGo closes the sockets that a has and the App that takes its place does not. It may be called
// again.
func (a *App) LetGo(next *App) {
	CloseForGood(Without(a.Listeners, next.Listeners))
	a.Listeners = nil
}
