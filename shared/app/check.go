package app

// -check: the settings are judged, and each file and folder that they name is tried, as at a start.
//
// It is for whoever is about to start or reload a server, which may be running. So nothing is
// started and nothing is left behind. What must not be done: no socket may be bound, since the
// running server has them, and no file or folder may be made or removed.

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"fourways/shared/auth"
	"fourways/shared/certs"
	"fourways/shared/config"
	"fourways/shared/site"
	"fourways/shared/sysnet"
)

// check tries the settings, and says on stdout that they can be used. An error is that of a setting
// that cannot.
func check(stage Stage, cfg *config.Config, stdout io.Writer) error {
	a := &App{Config: cfg, stage: stage, Log: slog.New(slog.DiscardHandler)}
	for _, try := range []func() error{a.tryLogs, a.trySite, a.tryPasswords, a.tryTLS, a.tryUsers, a.tryFolders} {
		if err := try(); err != nil {
			return config.Unusable(Explained(err))
		}
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(stdout, "%s: warning: %s\n", stage.Name, w)
	}
	fmt.Fprintf(stdout, "%s: the settings can be used; nothing was started\n", stage.Name)
	return nil
}

// tryLogs looks whether the logs could be written.
func (a *App) tryLogs() error {
	if err := tryLog(a.Config.Log.File); err != nil {
		return unusableLog(err)
	}
	if err := tryLog(a.Config.Log.Access); err != nil {
		return unusableAccessLog(err)
	}
	return nil
}

// tryLog opens a log as logging.Open does, but does not make it: where it is not there its folder
// must be one that it could be made in.
func tryLog(path string) error {
	if path == "" || path == "-" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return writable(filepath.Dir(path))
	}
	return err
}

// writable says why no file can be made in a folder; nil where one can.
func writable(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: unix.ENOTDIR}
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// trySite opens the root, and reads what the site needs of it.
func (a *App) trySite() (err error) {
	if a.Config.Root == "" {
		if err = site.TryBuiltIn(a.siteConfig(a.Config)); err != nil {
			return unusableSite(err)
		}
		return nil
	}
	if err = a.openRoot(a.Config.Root); err != nil {
		return err
	}
	defer a.folder.close()
	if err = trySecrets(a.Config, a.Config.Root); err != nil {
		return err
	}
	s, err := site.New(a.siteConfig(a.Config))
	if err != nil {
		return unusableSite(err)
	}
	s.Close()
	return nil
}

// tryPasswords reads the file of passwords.
func (a *App) tryPasswords() error {
	if a.Config.Auth == "" {
		return nil
	}
	_, err := auth.New(a.Config.Auth)
	return err
}

// tryTLS reads the certificates and keys. One of our own making would be made.
func (a *App) tryTLS() error {
	c := &a.Config.TLS
	if len(c.Listen) == 0 {
		return nil
	}
	if _, err := readTicketKeys(c.TicketKeys, fileKeys{}); err != nil || c.SelfSigned {
		return err
	}
	_, err := certs.Load(a.certOptions(a.Config))
	return err
}

// tryUsers looks whether there are the user and the groups, and the folders of Unix sockets.
// Whether this process could become that user says nothing: the server may be started by another
// one.
func (a *App) tryUsers() error {
	var seen []sysnet.Addr
	for _, l := range a.wanted() {
		_, err := l.access()
		switch {
		case err != nil:
		case slices.Contains(seen, l.Addr):
			err = errTwice
		case l.Addr.Path != "":
			err = trySocket(l.Addr.Path)
		}
		if l.Addr.Path != "" || l.Addr.IP.Port() != 0 { // each 0 is another port
			seen = append(seen, l.Addr)
		}
		if err != nil {
			return fmt.Errorf("cannot listen on %v: %w", l.Addr, err)
		}
	}
	if a.Config.User == "" {
		return nil
	}
	_, err := accountOf(a.Config.User, a.Config.Group)
	return err
}

var (
	errTwice     = errors.New("the address is given twice; leave one out")
	errNotSocket = errors.New("it exists and is not a socket; give another path")
)

// trySocket says why no Unix socket can be made under a path. One that is there is a running
// server's, or would be replaced.
func trySocket(path string) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return errNotSocket
	}
	return writable(filepath.Dir(path))
}

// tryFolders looks at the folders that files are made in.
func (a *App) tryFolders() error {
	if dir := a.Config.Uploads.Folder; dir != "" {
		if err := writable(dir); err != nil {
			return unusableUploads(err)
		}
	}
	queues := len(a.Config.Relays) > 0 || len(a.Config.Proxy.Rules) > 0
	if dir := a.Config.Spill.Folder; queues && a.Config.Spill.File > 0 {
		if err := writable(dir); err != nil {
			return unusableSpill(err)
		}
	}
	return nil
}

func unusableLog(err error) error {
	return fmt.Errorf("cannot open the log: %w; give another -log-file", err)
}

func unusableAccessLog(err error) error {
	return fmt.Errorf("cannot open the access log: %w; give another -access-log", err)
}

func unusableSite(err error) error {
	return fmt.Errorf("cannot set up the site: %w; mend that, or leave the flag out", err)
}

func unusableUploads(err error) error {
	return fmt.Errorf("cannot take uploads: %w; give another folder with -uploads, or -uploads off", err)
}

func unusableSpill(err error) error {
	return fmt.Errorf("%w; give another -proxy-spill-dir, or -proxy-spill 0 for memory alone", err)
}

// openRoot opens the folder to serve.
func (a *App) openRoot(dir string) (err error) {
	if a.folder.Root, err = sysnet.OpenRoot(dir); err != nil {
		return unusableRoot(dir, err)
	}
	return nil
}

func unusableRoot(dir string, err error) error {
	return fmt.Errorf("cannot serve %q: %w; give a readable folder with -root", dir, err)
}
