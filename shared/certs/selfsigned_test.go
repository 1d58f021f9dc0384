package certs

// The certificate that the server makes for itself, and where it is kept. Each test has a folder of
// its own; several processes are played by several stores.

import (
	"crypto/x509"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/certs/certstest"
)

// own makes the self-signed one of a folder.
func own(t *testing.T, o SelfSigned) *Store {
	t.Helper()
	s, err := Load(Options{SelfSigned: &o})
	require.NoError(t, err)
	return s
}

// only is the one file in a folder.
func only(t *testing.T, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 1)
	return filepath.Join(dir, files[0].Name())
}

func TestASelfSignedCertificateIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	o := SelfSigned{Names: []string{"Box.example"}, Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.0.0.1")}, Folder: dir}
	first := own(t, o)
	leaf := first.now.Load().pairs[0].cert.Leaf
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]", "box.example", "192.0.2.1"} {
		assert.NoError(t, leaf.VerifyHostname(name), name)
	}
	assert.Error(t, leaf.VerifyHostname("other.example"))
	assert.Equal(t, x509.ECDSA, leaf.PublicKeyAlgorithm)
	assert.Contains(t, first.Certificates()[0].String(), "SHA-256 fingerprint "+first.Certificates()[0].Fingerprint)
	assert.Empty(t, first.Warnings())

	info, err := os.Stat(only(t, dir))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode())
	assert.Equal(t, first.Certificates(), own(t, o).Certificates(), "the same after a restart")

	o.Names = nil
	assert.NotEqual(t, first.Certificates()[0].Fingerprint, own(t, o).Certificates()[0].Fingerprint, "for other names another one")
	o.Names = []string{"box.example"}
	assert.Equal(t, first.Certificates(), own(t, o).Certificates(), "and the first is still there")
}

func TestASelfSignedCertificateThatIsOfNoUseIsMadeAnew(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(t *testing.T, path string, o *SelfSigned)
	}{
		{"others may have read the key", func(t *testing.T, path string, _ *SelfSigned) { require.NoError(t, os.Chmod(path, 0o640)) }},
		{"it is broken", func(t *testing.T, path string, _ *SelfSigned) { require.NoError(t, os.Truncate(path, 700)) }},
		{"it is empty", func(t *testing.T, path string, _ *SelfSigned) { require.NoError(t, os.Truncate(path, 0)) }},
		{"it has expired", func(t *testing.T, path string, o *SelfSigned) { remake(t, path, o, -lifetime-time.Hour) }},
		{"it soon expires", func(t *testing.T, path string, o *SelfSigned) { remake(t, path, o, -lifetime+renewBefore-time.Hour) }},
		{"it is of another time", func(t *testing.T, path string, o *SelfSigned) { remake(t, path, o, 30*24*time.Hour) }},
		{"it is a FIFO", func(t *testing.T, path string, _ *SelfSigned) {
			require.NoError(t, os.Remove(path))
			require.NoError(t, unix.Mkfifo(path, 0o600))
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			o := SelfSigned{Folder: filepath.Join(t.TempDir(), "cache")}
			before := own(t, o).Certificates()
			path := only(t, o.Folder)
			require.NoError(t, os.WriteFile(filepath.Join(o.Folder, unfinished+"1"), nil, 0o600)) // of one that was killed
			tc.spoil(t, path, &o)
			after := own(t, o)
			assert.NotEqual(t, before, after.Certificates())
			assert.Empty(t, after.WarningsOfTime(time.Now()))
			assert.Equal(t, path, only(t, o.Folder))
			assert.Equal(t, after.Certificates(), own(t, o).Certificates())
		})
	}
}

// remake keeps one that was made at another time.
func remake(t *testing.T, path string, o *SelfSigned, ago time.Duration) {
	text, err := o.make(time.Now().Add(ago))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

func TestWithoutAPlaceToKeepItASelfSignedCertificateIsAnotherOneEachTime(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	first, second := own(t, SelfSigned{Folder: dir}), own(t, SelfSigned{Folder: dir})
	assert.NotEqual(t, first.Certificates(), second.Certificates())
	require.Len(t, first.Warnings(), 1)
	assert.Contains(t, first.Warnings()[0], "others may write to "+dir)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files, "no key is left where others could read it")
}

// childFolder tells this test program that it is one of several processes, and where.
const childFolder = "CERTS_TEST_FOLDER"

func TestSeveralProcessesAtOnceGetTheSameSelfSignedCertificate(t *testing.T) {
	if dir := os.Getenv(childFolder); dir != "" {
		os.Stdout.WriteString("fingerprint " + own(t, SelfSigned{Folder: dir}).Certificates()[0].Fingerprint + "\n")
		return
	}
	dir, self := filepath.Join(t.TempDir(), "cache"), os.Args[0]
	found := make([]string, 8)
	var all sync.WaitGroup
	for i := range found {
		all.Go(func() {
			cmd := exec.Command(self, "-test.run", "^"+t.Name()+"$", "-test.count", "1")
			cmd.Env = append(os.Environ(), childFolder+"="+dir)
			out, err := cmd.Output()
			if assert.NoError(t, err) {
				_, rest, _ := strings.Cut(string(out), "fingerprint ")
				found[i], _, _ = strings.Cut(rest, "\n")
			}
		})
	}
	all.Wait()
	for _, fingerprint := range found {
		require.Len(t, fingerprint, 95)
		assert.Equal(t, found[0], fingerprint)
	}
	only(t, dir)
}

// Where it cannot be kept, reading anew changes nothing: clients may know the one in use.
func TestASelfSignedCertificateThatCannotBeKeptStaysInUse(t *testing.T) {
	names := []string{"box.example"}
	for _, tt := range []struct {
		name  string
		lost  bool     // that which was kept is gone as well
		then  []string // the names afterwards
		stays bool
	}{
		{"it could never be kept", false, names, true},
		{"its folder can no longer be used", true, names, true},
		{"but it is for others", false, []string{"other.example"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "cache")
			o := SelfSigned{Names: names, Folder: dir}
			spoil := func() { require.NoError(t, os.WriteFile(dir, nil, 0o600)) } // a file in its place
			if !tt.lost {
				spoil()
			}
			s := own(t, o)
			if tt.lost {
				require.NoError(t, os.RemoveAll(dir))
				spoil()
			}
			first := s.Certificates()
			changed, err := s.Reload()
			require.NoError(t, err)
			require.False(t, changed)
			require.Len(t, s.Warnings(), 1)

			o.Names = tt.then
			next, err := Load(Options{SelfSigned: &o, Before: s.Material()})
			require.NoError(t, err)
			if tt.stays {
				require.Equal(t, first, next.Certificates())
			} else {
				require.NotEqual(t, first[0].Fingerprint, next.Certificates()[0].Fingerprint)
			}
		})
	}
}

func TestASelfSignedCertificateIsRenewedAMonthBeforeItEnds(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	o := SelfSigned{Folder: filepath.Join(t.TempDir(), "cache")}
	load := func(material []byte) *Store {
		s, err := Load(Options{SelfSigned: &o, Material: material, Now: clock})
		require.NoError(t, err)
		return s
	}
	first := load(nil)
	heir := load(first.Material()) // another process, which opens no file
	before := first.Certificates()
	require.False(t, first.Due(first.Ends().Add(-renewBefore)))
	require.True(t, first.Due(first.Ends().Add(-renewBefore+time.Second)))

	now = now.Add(lifetime - renewBefore + time.Hour)
	require.NoError(t, heir.Renew())
	require.NotEqual(t, before, heir.Certificates())
	require.Equal(t, before, first.Certificates())
	require.NoError(t, first.Renew())
	require.Equal(t, heir.Certificates(), first.Certificates(), "what one has made the other finds")
	require.False(t, first.Due(now))
	require.Equal(t, first.Material(), heir.Material())

	before = first.Certificates()
	now = now.Add(lifetime)
	require.NoError(t, os.Chmod(o.Folder, 0o777)) // nothing can be kept
	require.Error(t, heir.Renew(), "it would have another one than the rest")
	require.Equal(t, before, heir.Certificates())
	require.NoError(t, first.Renew())
	require.NotEqual(t, before, first.Certificates())
}

func TestACertificateOfAFileIsNeverDue(t *testing.T) {
	s := load(t, certstest.Root(t).LeafOf(certstest.P256(t), certstest.Names("a.test"), certstest.Dates(time.Now(), time.Now().Add(time.Hour))))
	require.False(t, s.Due(time.Now()))
}
