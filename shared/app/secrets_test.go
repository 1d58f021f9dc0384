package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/config"
	"fourways/shared/sysnet"
)

// A file of secrets that could be asked for is refused, under whatever name the flag has it; one
// that could not is left alone.
func TestAFileOfSecretsIsNotServed(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "www")
	for _, name := range []string{"www/pw.txt", "www/sub/PW.TXT", "www/.htpasswd", "www/.d/pw.txt", "www/pw.key", "www/noext", "www/.well-known/pw", "pw.txt", "wwwx/pw.txt"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	for link, to := range map[string]string{"link": "www", "in.key": "www/pw.txt", "www/out.txt": "../pw.txt", "www/hidden.txt": ".d/pw.txt", "folder": "www/sub"} {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	for name, want := range map[string]bool{
		"www/pw.txt": true, "www/sub/PW.TXT": true, "www/.well-known/pw": true, "www/../www/pw.txt": true,
		"link/pw.txt": true, "in.key": true, "www/hidden.txt": true, "folder/PW.TXT": true,
		"www/.htpasswd": false, "www/.d/pw.txt": false, "www/pw.key": false, "www/noext": false,
		"pw.txt": false, "wwwx/pw.txt": false, "www/out.txt": false, "www/not-there.txt": true,
	} {
		path := filepath.Join(dir, name)
		for flag, c := range map[string]config.Config{
			"auth":            {Auth: path},
			"tls-ticket-keys": {TLS: config.TLS{TicketKeys: path}},
			"config":          {File: path},
			"log-file":        {Log: config.Log{File: path}},
			"access-log":      {Log: config.Log{Access: path}},
			"tls-key":         {TLS: config.TLS{Pairs: []config.Pair{{Key: filepath.Join(dir, "pw.txt")}, {Key: path}}}},
		} {
			c.Types = []string{"html", "txt"}
			for _, at := range []string{root, filepath.Join(dir, "link")} {
				err := trySecrets(&c, at)
				if !want {
					require.NoError(t, err, name)
					continue
				}
				require.ErrorContains(t, err, "-"+flag+" \""+path+"\" lies in the served folder", name)
			}
		}
	}
}

// HUP does not go over to a folder in which such a file would be served.
func TestAFolderWithAFileOfSecretsIsNotGoneOverTo(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "www")
	for _, folder := range []string{"old", "new"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, folder), 0o755))
	}
	require.NoError(t, os.Symlink("old", name))
	secret := filepath.Join(dir, "new", "pw.txt")
	a := newWatchedAt(t, name)
	a.Config, a.Log = &config.Config{Types: []string{"txt"}, Auth: secret}, slog.New(slog.DiscardHandler)
	require.NoError(t, os.Remove(name))
	require.NoError(t, os.Symlink("new", name))

	a.reopenRoot()
	require.ErrorIs(t, a.folder.Check(), sysnet.ErrMoved, "the old one is served on")
	require.True(t, a.staleAfterReload.Load())

	a.Config.Auth = filepath.Join(dir, "pw.txt")
	a.reopenRoot()
	require.NoError(t, a.folder.Check())
}
