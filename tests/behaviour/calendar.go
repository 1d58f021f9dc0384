package behaviour

// What becomes of certificates and session tickets in a server that runs for days, which a hidden
// flag has pass at once.

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fourways/shared/certs/certstest"
	"fourways/tests/harness"
)

// calendar is the flag by which a server has another date than the machine, and what sets by how
// many days it is ahead.
func calendar(t *testing.T) (flag []string, ahead func(days float64)) {
	path := filepath.Join(t.TempDir(), "days")
	ahead = func(days float64) { certstest.Replace(t, path, fmt.Append(nil, days), 0o644) }
	ahead(0)
	return []string{"-inject-days", path}, ahead
}

var _ = test("WarnedDayByDay", warnedDayByDay, perProcess("certs"))

// warnedDayByDay: as long as a certificate is about to end, the log says so each day, once.
func warnedDayByDay(t *testing.T) {
	dir, root := t.TempDir(), certstest.Root(t)
	ends := time.Now().Add(15*24*time.Hour + 90*time.Minute)
	leaf := root.LeafOf(certstest.P256(t), certstest.Names("localhost"), certstest.Dates(time.Now().Add(-time.Hour), ends))
	flag, ahead := calendar(t)
	s, _ := StartTLS(t, append(flag, Pair(dir, "pair", leaf)...)...)
	require.Zero(t, s.Log.Count("renew it"), "there are 15 days left")
	says := []struct {
		day  float64
		text string
	}{
		{2, "in 13 days: renew it"}, {3, "in 12 days: renew it"}, {4, "in 11 days: renew it"}, {14, "in 25 hours: renew it"}, {15, "in 1 hour: renew it"}, {16, "clients refuse it; renew it"},
	}
	for i, tt := range says {
		ahead(tt.day)
		harness.Eventually(t, tt.text, func() bool { return s.Log.Count(tt.text) == 1 })
		require.Equal(t, i+1, s.Log.Count("renew it"))
	}
	root.LeafOf(certstest.P256(t), certstest.Names("localhost"), certstest.Dates(time.Now().Add(-time.Hour), ends.AddDate(0, 0, 90))).Write(dir, "pair")
	HUP(t, s, 1)
	ahead(100)
	harness.Eventually(t, "the next one ends", func() bool { return s.Log.Count("in 5 days: renew it") == 1 })
	require.Equal(t, len(says)+1, s.Log.Count("renew it"), "nothing was said while there was nothing to warn of")
}

var _ = test("TicketKeysChange", ticketKeysChange, perProcess("tickets"))

// ticketKeysChange: each day session tickets are encrypted by another key, in every process. Those
// of the old key are good for a week.
func ticketKeysChange(t *testing.T) {
	const workers = 4
	dir, root := t.TempDir(), certstest.Root(t)
	flag, ahead := calendar(t)
	args := append(flag, Pair(dir, "pair", root.Leaf("localhost"))...)
	s, addr := StartTLS(t, append(args, "-workers", fmt.Sprint(workers), "-log-level", "debug")...)
	processes := 1
	if hasMaster() {
		processes += workers
	}
	client := func(version uint16) *tls.Config {
		c := Client(root, "localhost")
		c.MinVersion, c.MaxVersion = version, version
		status, state, err := GetTLS(addr, c, "/")
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.False(t, state.DidResume)
		return c
	}
	changes := 0
	// change lets a day begin, and then minutes pass: a new key is known for one before it is used.
	change := func(day float64) {
		changes++
		minute := time.NewTicker(time.Second) // as often as each process looks
		defer minute.Stop()
		for s.Log.Count("Session tickets are encrypted by another key") < changes*processes {
			ahead(day)
			day += 0.001
			<-minute.C
		}
		require.Equal(t, changes*processes, s.Log.Count("Session tickets are encrypted by another key"))
	}
	old := map[string][2]*tls.Config{}
	for name, version := range Versions {
		old[name] = [2]*tls.Config{client(version), client(version)}
	}
	change(1)
	for name, version := range Versions {
		resumesOnce(t, addr, old[name][0], true)
		Resumes(t, addr, client(version), 30)
	}
	for _, day := range []float64{2, 9} {
		change(day)
	}
	for name, version := range Versions {
		resumesOnce(t, addr, old[name][1], false)
		Resumes(t, addr, client(version), 30)
	}
}

// resumesOnce wants a client's next connection to resume its session, or not to.
func resumesOnce(t *testing.T, addr string, client *tls.Config, want bool) {
	t.Helper()
	_, state, err := GetTLS(addr, client, "/")
	require.NoError(t, err)
	require.Equal(t, want, state.DidResume)
}

var _ = test("SelfSignedIsRenewed", selfSignedIsRenewed, perProcess("certs"))

// selfSignedIsRenewed: a month before it ends another one is made and kept, while the server runs,
// and every process shows it. Nobody who connects meanwhile is refused.
func selfSignedIsRenewed(t *testing.T) {
	cache := t.TempDir()
	flag, ahead := calendar(t)
	args := append(flag, "-listen", "127.0.0.1:0", "-tls-listen", "127.0.0.1:0", "-tls-self-signed", "-workers", "4", "-root", rootWith(t, "index.html", 1))
	cmd := exec.Command(harness.Binary(), args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	s := harness.StartCommand(t, cmd)
	addr := SecuredOn(t, s)
	first := served(t, addr, anyone())
	var stop atomic.Bool
	var crowd sync.WaitGroup
	for range 2 {
		crowd.Go(func() {
			for !stop.Load() {
				if status, _, err := GetTLS(addr, anyone(), "/"); err != nil || status != 200 {
					t.Errorf("status %d, error %v", status, err)
					return
				}
				time.Sleep(harness.CallPause)
			}
		})
	}
	ahead(368) // of 397
	harness.Eventually(t, "everybody gets another one", func() bool {
		for range 20 {
			if served(t, addr, anyone()).Equal(first) {
				return false
			}
		}
		return true
	})
	stop.Store(true)
	crowd.Wait()
	second := served(t, addr, anyone())
	require.True(t, second.NotAfter.After(first.NotAfter.AddDate(1, 0, -1)))
	for range 20 {
		require.True(t, served(t, addr, anyone()).Equal(second), "all processes show the same")
	}
	files, err := filepath.Glob(filepath.Join(cache, "fourways", "self-signed-*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	kept, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.True(t, kept.Equal(second))
	info, err := os.Stat(files[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Equal(t, 1, s.Log.Count("The self-signed certificate was about to end"), "said once, not by each process")
	require.Equal(t, 2, s.Log.Count("Self-signed certificate of"))
}
