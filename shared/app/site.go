package app

// The site that is served: the folder, or the built-in one unpacked into it, and its uploads.
//
// What must not be done: a worker must not fail for something that the others serve without.

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"fourways/shared/config"
	"fourways/shared/filecache"
	"fourways/shared/site"
	"fourways/shared/stats"
)

func (a *App) openSite() (err error) {
	dir, err := a.rootOf(a.Config)
	if err != nil {
		return err
	}
	if err = a.openRoot(dir); err != nil {
		return err
	}
	if a.stage.Process == 0 { // a worker is not to fail where the others serve
		if err = trySecrets(a.Config, dir); err != nil {
			return err
		}
	}
	c := a.siteConfig(a.Config)
	if a.stage.Revived {
		c.Missing = func(err error) {
			a.Log.Error("The site is served without something of its settings, until HUP finds it", "error", err)
		}
	}
	s, err := site.New(c)
	if err != nil {
		return unusableSite(err)
	}
	a.site.Store(s)
	return a.openUploads()
}

// rootOf is the folder to serve; the built-in site is unpacked if need be.
func (a *App) rootOf(cfg *config.Config) (dir string, err error) {
	if cfg.Root != "" {
		return cfg.Root, nil
	}
	if err = a.unpack(); err != nil {
		return "", fmt.Errorf("cannot unpack the built-in site: %w; give a folder with -root", err)
	}
	return a.Unpacked().Folder, nil
}

// siteConfig is what the site is told.
func (a *App) siteConfig(cfg *config.Config) site.Config {
	return site.Config{
		Root: a.folder.Root,
		Cache: filecache.Options{
			Bytes: a.cacheBytes(cfg.Limits.CacheSize),
			Item:  cfg.Limits.CacheItem,
			Open:  a.reservedFor(cachedFiles),

			PassedOver: a.passedOver,
		},
		Types:        cfg.Types,
		Shown:        cfg.Shown,
		Index:        cfg.Index,
		CleanURLs:    cfg.CleanURLs,
		App:          cfg.App,
		Chunked:      cfg.Chunked,
		Inline:       cfg.Inline,
		CacheControl: cfg.CacheControl,
		CacheRules:   cacheRules(cfg.CacheRules),
		List:         cfg.List,
		Redirects:    cfg.Redirects,
		CORS:         cfg.CORS,
		ErrorPages:   cfg.ErrorPages,
		Monitor:      cfg.Monitor,
		Probers:      cfg.Probers,
		Ending:       func() bool { return a.Stats.Stopping() },
		HTTPS:        a.redirects(),
		HTTPSPort:    uint16(a.Config.TLS.Port),
		Reports:      site.Reports{Health: a.health, Stats: a.stats, Metrics: a.metrics},
		Trouble:      a.trouble,
		Outside:      a.outside,
	}
}

func cacheRules(rules []config.CacheRule) (list []site.CacheRule) {
	for _, r := range rules {
		list = append(list, site.CacheRule(r))
	}
	return list
}

// unpack finds the built-in site where another process of the server has put it, or unpacks it.
func (a *App) unpack() (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unpacked.Folder != "" {
		if err := a.unpacked.Hold(); err != nil { // then who has unpacked it holds it alone
			a.Log.Debug("The folder of the built-in site is not locked", "error", err)
		}
		return nil
	}
	if a.unpacked, err = site.Unpack(); err != nil {
		return err
	}
	if a.unpacked.Unused != nil {
		a.Log.Debug("Folders of earlier built-in sites were not removed", "error", a.unpacked.Unused)
	}
	if a.unpacked.Temporary {
		a.Log.Warn(fmt.Sprintf("The built-in site is in a folder that is removed at the end, with what is uploaded: %s", a.unpacked.Why))
	}
	return nil
}

// Unpacked is where the built-in site lies, if any process of the server has needed it. It is
// for the other processes, and for who removes it.
func (a *App) Unpacked() site.Unpacked {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unpacked
}

// RemoveSite removes the built-in site, where it was unpacked for this run alone. Nothing serves it
// any more.
func (a *App) RemoveSite() {
	if err := a.Unpacked().Remove(); err != nil {
		a.Log.Warn("The folder of the built-in site was not removed", "error", err)
	}
}

// openUploads has uploads taken, if there is a place for them.
func (a *App) openUploads() error {
	processes := max(a.stage.Processes, 1)
	memory, err := a.memory(UploadsMemory, site.QuotaSize(processes))
	if err != nil {
		return err
	}
	u := uploadsOf(a.Config)
	u.Memory, u.Process = memory, a.stage.Process
	if processes > 1 {
		u.Alive = func(process int) bool { return a.Stats == nil || a.Stats.Process(process).State() != stats.Free }
	}
	if err := a.site.Load().OpenUploads(u); err != nil {
		return unusableUploads(err)
	}
	_, why := a.site.Load().TakesUploads()
	if errors.Is(why, unix.EMFILE) {
		return why
	}
	if why != nil && a.stage.Process == 0 {
		a.warnOfUploads(why)
	}
	return a.removeStale()
}

func uploadsOf(cfg *config.Config) site.Uploads {
	u := cfg.Uploads
	return site.Uploads{Off: u.Off, Folder: u.Folder, MaxBytes: u.MaxBytes, MaxFiles: u.MaxFiles}
}

func (a *App) warnOfUploads(why error) {
	a.Log.Warn(fmt.Sprintf("Uploads are refused: the folder uploads of the root cannot be used; name a folder with -uploads, or say -uploads off: %v", why))
}

// removeStale removes what a crash has left in the folder of uploads. Only without descriptors it
// is an error that this cannot be done: then nothing else can be, either.
func (a *App) removeStale() error {
	removed, err := a.site.Load().RemoveStale(time.Now())
	if errors.Is(err, unix.EMFILE) {
		return err
	}
	if removed > 0 {
		a.Log.Info("Removed what a crash had left of uploads", "files", removed)
	}
	if err != nil {
		a.Log.Warn("What a crash may have left of uploads was not removed", "error", err)
	}
	return nil
}
