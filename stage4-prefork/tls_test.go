//go:build linux

package main

// What all workers share of TLS: the keys of session tickets, and the certificates as the master
// has read them.

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/certs/certstest"
	"fourways/tests/behaviour"
	"fourways/tests/harness"
)

// A client resumes its session in whichever worker it lands: in one that HUP has started, one of a
// new program, and one in the place of a worker that was killed.
func TestSessionsAreResumedInEveryWorkerWhateverBecomesOfThem(t *testing.T) {
	const workers, connections = 4, 30
	dir, root := t.TempDir(), certstest.Root(t)
	args := append(behaviour.Pair(dir, "pair", root.Leaf("a.test", "localhost")), "-workers", "4", "-accept", "reuseport") // which spreads connections
	s, addr := behaviour.StartTLS(t, args...)
	ready(t, s, workers)
	clients := map[string]*tls.Config{}
	for name, version := range behaviour.Versions {
		c := behaviour.Client(root, "a.test")
		c.MinVersion, c.MaxVersion = version, version
		_, _, err := behaviour.GetTLS(addr, c, "/")
		require.NoError(t, err)
		clients[name] = c
	}
	resumed := func(t *testing.T) {
		for _, c := range clients {
			behaviour.Resumes(t, addr, c, connections)
		}
	}
	t.Run("while nothing happens", resumed)
	before := pids(ready(t, s, workers))
	behaviour.HUP(t, s, 1)
	for _, pid := range pids(ready(t, s, workers)) {
		require.NotContains(t, before, pid)
	}
	t.Run("after HUP", resumed)
	for _, pid := range pids(ready(t, s, workers)) {
		replace(t, s, pid, workers)
	}
	t.Run("after the death of all workers, one by one", resumed)
	handOver(t, s)
	s.Log.Await(t, regexp.MustCompile("The new program serves"))
	t.Run("after a hand-over", resumed)
	require.Zero(t, s.Wait(t))
	ready(t, s, workers)
	t.Run("when the old program has ended", resumed)
}

func pids(r report) (list []int) {
	for _, w := range r.Workers {
		list = append(list, w.PID)
	}
	slices.Sort(list)
	return list
}

// A worker that takes a dead one's place goes by the certificates that the server goes by, even if
// somebody is about to change the files.
func TestANewWorkerDoesNotReadTheCertificates(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	args := behaviour.Pair(dir, "pair", root.Leaf("a.test", "localhost"))
	s, addr := behaviour.StartTLS(t, append(args, "-workers", "2")...)
	r := ready(t, s, 2)
	require.NoError(t, os.Truncate(args[3], 0))
	for _, w := range r.Workers {
		replace(t, s, w.PID, 2)
	}
	status, _, err := behaviour.GetTLS(addr, behaviour.Client(root, "a.test"), "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Zero(t, s.Log.Count("cannot start"))

	s.Signal(t, unix.SIGHUP)
	s.Log.Await(t, regexp.MustCompile(`Not reloaded, all stays as it was: the key "`+regexp.QuoteMeta(args[3])))
	ready(t, s, 2)
}

// HUP with TLS in the file that was not there before starts to speak it, with keys that all share.
func TestTLSMayComeWithAReload(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	args := behaviour.Pair(dir, "pair", root.Leaf("localhost"))
	file, write := settingsFile(t, "listen 127.0.0.1:0\nworkers 2\n")
	s := harness.Start(t, "-config", file, "-listen", "127.0.0.1:0")
	ready(t, s, 2)
	write("workers 2\ntls-listen 127.0.0.1:0\ntls-cert " + args[1] + "\ntls-key " + args[3] + "\n")
	hup(t, s, reloadedLine, 1)
	require.Contains(t, s.Log.String(), "Certificate of localhost")
	require.NotEmpty(t, ready(t, s, 2).Workers)
}

// A new program that may not read a key, as another user than the old one was at its start, goes on
// with what the old one has of it, and so does HUP, with everything else as the settings say now.
func TestSettingsAndProgramsChangeThoughAKeyIsRootsAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, root := t.TempDir(), certstest.Root(t)
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(harness.Binary()), 0o755)) // which he executes
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.html"), nil, 0o644))
	file, write := settingsFile(t, "workers 1\n")
	require.NoError(t, os.Chmod(filepath.Dir(file), 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(file)), 0o755))
	args := behaviour.Pair(dir, "pair", root.Leaf("localhost"))
	s, addr := behaviour.StartTLS(t, append(args, "-config", file, "-user", "nobody", "-root", dir)...)
	ready(t, s, 1)
	write("workers 2\n")
	hup(t, s, reloadedLine, 1)
	ready(t, s, 2)
	root.Leaf("localhost").Write(dir, "pair")
	handOver(t, s)
	s.Log.Await(t, regexp.MustCompile("Not reloaded, the old one stays in use: .*"+regexp.QuoteMeta(args[3])))
	require.Zero(t, s.Wait(t))
	ready(t, s, 2)
	status, _, err := behaviour.GetTLS(addr, behaviour.Client(root, "localhost"), "/")
	require.NoError(t, err)
	require.Equal(t, 200, status)
}
