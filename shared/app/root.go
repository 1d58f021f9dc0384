package app

// The served folder by its name. It is opened at the start, and what is served is that folder,
// whatever becomes of the name: a switched link or a rebuilt folder shows only after HUP. But a
// folder that is gone has nothing to serve, and /health says so.

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"fourways/shared/sysnet"
)

// rootPatience is how long a look at the folder may take before it counts as gone.
const rootPatience = 5 * time.Second

// sharedFolder is the folder, for work in the background that may hang with its disk: no thread
// waits for such work.
type sharedFolder struct {
	*sysnet.Root            // nil for none
	mu           sync.Mutex // held while it is in use
	closed       bool
}

// use has do use the folder, and reports whether it is still open.
func (f *sharedFolder) use(do func()) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		do()
	}
	return !f.closed
}

// close closes the folder, if there is one and it is not in use. If it is in use by a call that
// hangs, it stays open until the process ends: another file must not get its number meanwhile.
func (f *sharedFolder) close() {
	if f.Root == nil || !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	f.closed = true
	f.Root.Close()
}

// rootName is the name of the folder that is served.
func (a *App) rootName() string { return a.folder.Name() }

// watchRoot looks once a second what has become of the folder, and logs what is new; and it has
// the cache let go of what is kept open for nothing.
func (a *App) watchRoot(quit <-chan struct{}) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var before error
	for {
		select {
		case <-ticker.C:
		case <-quit:
			return
		}
		slow := time.AfterFunc(rootPatience, func() {
			a.rootGone.Store(true)
			a.Log.Error("The served folder does not answer", "root", a.rootName())
		})
		var found error
		open := a.folder.use(func() { found = a.folder.Check() })
		if answered := slow.Stop(); !open {
			return
		} else if !answered {
			a.Log.Info("The served folder answers again", "root", a.rootName())
		}
		a.rootGone.Store(errors.Is(found, sysnet.ErrGone) || errors.Is(found, sysnet.ErrBarred))
		if text(found) != text(before) {
			a.tellRoot(found)
		}
		before = found
		a.site.Load().Cache().Sweep(sysnet.Now())
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// tellRoot logs what has become of the folder.
func (a *App) tellRoot(found error) {
	switch {
	case found == nil:
		a.Log.Info("The served folder is there under its name", "root", a.rootName())
	case errors.Is(found, sysnet.ErrGone):
		a.Log.Error("The served folder is gone: put it back, and send HUP", "root", a.rootName(), "error", found)
	case errors.Is(found, sysnet.ErrBarred):
		a.Log.Error("Nothing of the served folder can be opened: have the server's user search it (chmod)", "root", a.rootName(), "error", found)
	case errors.Is(found, sysnet.ErrUnseen):
		a.Log.Warn("The served folder is served on, but cannot be looked at", "root", a.rootName(), "error", found)
	default:
		a.Log.Warn("The old folder is served on: send HUP to serve the one that has its name now", "root", a.rootName())
	}
}

// reopenRoot serves the folder that has the root's name now, unless everybody could have a file of
// secrets then. It may block as long as a disk takes.
func (a *App) reopenRoot() {
	a.renewing.Lock()
	defer a.renewing.Unlock()
	if err := trySecrets(a.settings(), a.rootName()); err != nil {
		a.staleAfterReload.Store(true)
		a.Log.Error(fmt.Sprintf("What is served was not opened anew, and stays as it was: %v", err))
		return
	}
	var other bool
	var err error
	a.folder.use(func() { other, err = a.site.Load().Reopen() })
	if a.gate != nil {
		err = errors.Join(err, a.gate.Reload())
	}
	if err != nil { // of the root, or of a file that was read with it
		a.staleAfterReload.Store(true)
		a.Log.Error("Not all that is served was opened anew, and the rest stays as it was", "root", a.rootName(), "error", err)
	}
	if other {
		a.rootGone.Store(false)
		a.Log.Info("Serving the folder that has the root's name now", "root", a.rootName())
		a.tellUploads()
	}
}

// tellUploads logs what becomes of uploads in another root than before.
func (a *App) tellUploads() {
	switch takes, why := a.site.Load().TakesUploads(); {
	case takes:
		a.Log.Info(a.takingUploads())
	case why != nil:
		a.warnOfUploads(why)
	case !a.settings().Uploads.Off:
		a.Log.Info("Uploads are not taken: the root has no folder for them")
	}
}
