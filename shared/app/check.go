package app

// -check: the settings are judged, and each file and folder that they name is tried, as at a start.
//
// It is for whoever is about to start or reload a server, which may be running. So nothing is
// started and nothing is left behind. What must not be done: no socket may be bound, since the
// running server has them, and no file or folder may be made or removed.
//
// Where the process is root and the server would become another user (-user), so does the check, at
// the same moment: what is served is tried as that user. He also opens anew what root has opened at
// the start, after HUP; what he could not is a warning, since it hinders no start.

import (
	"cmp"
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
	"fourways/shared/logging"
	"fourways/shared/site"
	"fourways/shared/sysnet"
)

// check tries the settings, and says on stdout that they can be used. An error is that of a setting
// that cannot.
func check(stage Stage, cfg *config.Config, stdout io.Writer) error {
	a := &App{Config: cfg, stage: stage, Log: slog.New(slog.DiscardHandler), root: os.Geteuid() == 0}
	for _, try := range []func() error{a.tryLogs, a.tryTLS, a.tryUsers, a.tryToBecome, a.asUser(a.trySite), a.asUser(a.tryPasswords), a.asUser(a.tryFolders)} {
		if err := try(); err != nil {
			return config.Unusable(Explained(err))
		}
	}
	for _, w := range append(a.tryReload(), cfg.Warnings...) {
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
	return logging.Explained(path, err)
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
// Whether a process that is not root's could become that user says nothing: the server may be
// started by another one.
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

// becomes reports whether the check is that of root for a server that becomes another user.
func (a *App) becomes() bool { return a.Config.User != "" && a.root }

// tryToBecome makes the process that of the user that the server would become.
func (a *App) tryToBecome() error {
	if !a.becomes() {
		return nil
	}
	who, err := accountOf(a.Config.User, a.Config.Group)
	if err != nil {
		return err
	}
	return a.asUser(who.become)()
}

// asUser has an error say that somebody else than root met it.
func (a *App) asUser(try func() error) func() error {
	return func() error {
		err := try()
		if err != nil && a.becomes() {
			return fmt.Errorf("as the user %q: %w", a.Config.User, err)
		}
		return err
	}
}

// tryReload says what root has opened, or would open, and the user could not open again after HUP.
func (a *App) tryReload() (warnings []string) {
	if !a.becomes() {
		return nil
	}
	try := func(flag string, err error) {
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("-%s: the user %q cannot open it anew after HUP: %v", flag, a.Config.User, err))
		}
	}
	try("config", opens(a.Config.File, os.O_RDONLY))
	try("log-file", opens(a.Config.Log.File, os.O_WRONLY))
	try("access-log", opens(a.Config.Log.Access, os.O_WRONLY))
	for _, p := range a.Config.TLS.Pairs {
		try("tls-cert", opens(p.Cert, os.O_RDONLY))
		try("tls-key", opens(p.Key, os.O_RDONLY))
	}
	try("tls-ticket-keys", opens(a.Config.TLS.TicketKeys, os.O_RDONLY))
	return warnings
}

// opens says why a file cannot be opened; nil where none is named. A log that is not there yet will
// be the user's.
func opens(path string, how int) error {
	if path == "" || path == "-" {
		return nil
	}
	f, err := os.OpenFile(path, how|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return f.Close()
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
	if a.folder.Root, err = sysnet.OpenRootAt(dir, cmp.Or(a.stage.Root, dir)); err != nil {
		return unusableRoot(dir, err)
	}
	return nil
}

func unusableRoot(dir string, err error) error {
	return fmt.Errorf("cannot serve %q: %w; give a readable folder with -root", dir, err)
}
