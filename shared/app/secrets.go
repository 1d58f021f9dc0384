package app

// Files of secrets that lie in the served folder.
//
// Somebody puts the file of passwords beside the pages and serves .txt: then everybody may have the
// hashes, and tries them at leisure. A log there tells everybody who else has come and what they
// asked for, and the settings tell what stands behind. The start ends with an error, and so does
// -check. Names are looked at as they are when the server starts or reloads: what is linked into
// the root later is the doing of whoever links it. What must not be done: a file that is not served
// must not be refused, as .htpasswd or one of a type that is not on the list.

import (
	"fmt"
	"path/filepath"

	"fourways/shared/config"
	"fourways/shared/guard"
)

// trySecrets says which file of secrets would be served, and what to do; nil for none.
func trySecrets(cfg *config.Config, root string) error {
	types := guard.NewTypes(cfg.Types)
	for _, f := range secretFiles(cfg) {
		if f.path != "" && served(types, root, f.path) {
			return fmt.Errorf("-%s %q lies in the served folder and is of a type that is served, so everybody could have it: put it elsewhere, or in a folder whose name begins with a dot", f.flag, f.path)
		}
	}
	return nil
}

// secretFile is a file that a flag names, and nobody else is to see.
type secretFile struct{ flag, path string }

func secretFiles(cfg *config.Config) []secretFile {
	list := []secretFile{{"auth", cfg.Auth}, {"tls-ticket-keys", cfg.TLS.TicketKeys}, {"config", cfg.File},
		{"log-file", cfg.Log.File}, {"access-log", cfg.Log.Access}}
	for _, p := range cfg.TLS.Pairs {
		list = append(list, secretFile{"tls-key", p.Key})
	}
	return list
}

// served reports whether a file can be had under its own name, or under that of the file which a
// link of that name leads to. A link that leads out of the root is not followed.
func served(types *guard.Types, root, file string) bool {
	root, file = absolute(root), absolute(file)
	real := resolved(file)
	folder, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		folder = filepath.Dir(file)
	}
	under := func(name string) bool {
		path, err := filepath.Rel(resolved(root), name)
		if err != nil || !filepath.IsLocal(path) {
			return false
		}
		url := []byte("/" + filepath.ToSlash(path))
		ext := guard.Extension(url)
		return !guard.Hidden(url) && (len(ext) > 0 && types.Allows(ext) || guard.WellKnown(url))
	}
	inside, err := filepath.Rel(resolved(root), real)
	if err != nil || !filepath.IsLocal(inside) {
		return false
	}
	return under(real) || under(filepath.Join(folder, filepath.Base(file)))
}

// absolute is a name without reference to the working folder; resolved, one without links. Where
// the system does not say they are what they are.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

func resolved(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}
