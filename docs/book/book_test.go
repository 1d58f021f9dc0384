package book

// Repairing pages: what is rewritten, and what must stay as it is. Each test works on a copy of a
// small project in a folder of its own.

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/docs/book/update"
)

const fixture = "testdata/project"

// page parses a chapter that a test made up.
func page(text string) *Doc { return Parse("docs/05-page.md", text) }

// wantFindings requires one finding for each text, in order, which its message contains. No text,
// no finding.
func wantFindings(t *testing.T, found []Finding, want ...string) {
	t.Helper()
	var all []string
	for _, f := range found {
		all = append(all, f.String())
	}
	require.Len(t, found, len(want), "%s", strings.Join(all, "\n"))
	for i := range want {
		require.Contains(t, all[i], want[i])
	}
}

// copied gives a copy of the fixture that a test may write to.
func copied(t *testing.T) Project {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(fixture)))
	return NewProject(dir)
}

func TestTheUpdateFlagIsOffUnlessAskedFor(t *testing.T) {
	asked := strings.Contains(strings.Join(os.Args, " "), "-update")
	require.Equal(t, asked, *update.Wanted)
}

func TestRepairRewritesWhatIsStaleAndNothingElse(t *testing.T) {
	p := copied(t)
	name := p.Path("docs/06-stale.md")
	require.NoError(t, os.Chmod(name, 0o640))
	for _, check := range []func(*Doc) []Finding{
		p.Listings, p.Results,
		func(d *Doc) []Finding { return Runner{Project: p}.Runs(t.Context(), d) },
	} {
		d, err := p.Open("docs/06-stale.md")
		require.NoError(t, err)
		found := check(d)
		require.NotEmpty(t, found)
		left, err := p.Repair(d, found)
		require.NoError(t, err)
		require.Empty(t, left)
		d, err = p.Open("docs/06-stale.md")
		require.NoError(t, err)
		require.Empty(t, check(d), "a repaired page is right")
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	want, err := os.ReadFile(fixture + "/docs/06-stale.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm(), "the page keeps its permissions")
}

func TestRepairReplacesTheFileInOneStep(t *testing.T) {
	p := copied(t)
	name := p.Path("docs/06-stale.md")
	before, err := os.Open(name) // a reader in the middle of the page
	require.NoError(t, err)
	defer before.Close()
	d, err := p.Open("docs/06-stale.md")
	require.NoError(t, err)
	_, err = p.Repair(d, p.Listings(d))
	require.NoError(t, err)

	old := make([]byte, len(d.Text)+1)
	n, _ := before.Read(old)
	require.Equal(t, d.Text, string(old[:n]), "who has the old page open still reads it whole")
	left, err := filepath.Glob(p.Path("docs/.*"))
	require.NoError(t, err)
	require.Empty(t, left, "no temporary file stays")
}

func TestRepairLeavesAloneWhatOnlyAnAuthorCanMend(t *testing.T) {
	p := copied(t)
	name := p.Path("docs/06-stale.md")
	require.NoError(t, os.Chtimes(name, info(t, name).ModTime().Add(-1e9), info(t, name).ModTime().Add(-1e9)))
	before := info(t, name)
	d, err := p.Open("docs/06-stale.md")
	require.NoError(t, err)
	hopeless := []Finding{{File: d.Path, Text: "no fix"}}
	left, err := p.Repair(d, hopeless)
	require.NoError(t, err)
	require.Equal(t, hopeless, left)
	require.True(t, os.SameFile(before, info(t, name)), "the file is not written at all")
}

func info(t *testing.T, name string) fs.FileInfo {
	i, err := os.Stat(name)
	require.NoError(t, err)
	return i
}
