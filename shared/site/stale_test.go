package site

// What crashes leave in the folder of uploads, and when it is removed. Files get the age that a
// test wants; no test waits for it.

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatACrashLeftOfUploadsIsRemoved(t *testing.T) {
	now := time.Unix(wallClock, 0)
	const name = ".upload-0123456789abcdef"
	cases := []struct {
		name, file string
		text       string
		age        time.Duration
		gone       bool
	}{
		{"a temporary file of the day before yesterday", name, "{", 48 * time.Hour, true},
		{"one just old enough", name, "{", staleAge + time.Second, true},
		{"one that was written to within a day", name, "{", staleAge, false},
		{"one of another clock, in the future", name, "{", -time.Hour, false},
		{"an upload", "upload_19941106_084937_a7b9.json", "{", 48 * time.Hour, false},
		{"a name that was taken, and never filled", "upload_19941106_084937_a7b9.json", "", 48 * time.Hour, true},
		{"one that was taken just now", "upload_19941106_084937_a7b9.json", "", time.Hour, false},
		{"an empty file that is not ours", "empty.json", "", 48 * time.Hour, false},
		{"a name that is longer", name + "0", "{", 48 * time.Hour, false},
		{"a name that is shorter", name[:len(name)-1], "{", 48 * time.Hour, false},
		{"a name that we do not make", ".upload-0123456789ABCDEF", "{", 48 * time.Hour, false},
		{"another hidden file", ".keep", "{", 48 * time.Hour, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, nil)
			path := filepath.Join(r.dir, uploadFolder, tc.file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte(tc.text), 0o644))
			require.NoError(t, os.Chtimes(path, time.Time{}, now.Add(-tc.age)))
			removed, err := r.site.RemoveStale(now)
			require.NoError(t, err)
			require.Equal(t, tc.gone, removed == 1)
			require.Equal(t, tc.gone, len(r.uploads()) == 0)
		})
	}
}

func TestOnlyFilesOfTheFolderOfUploadsAreRemoved(t *testing.T) {
	r := newRig(t, nil)
	require.NoError(t, os.Remove(filepath.Join(r.dir, uploadFolder)))
	r.openUploads(Uploads{})
	now := time.Now().Add(2 * staleAge) // everything is old
	removed, err := r.site.RemoveStale(now)
	require.NoError(t, err, "there need not be such a folder")
	require.Zero(t, removed)

	const name = ".upload-00000000000000"
	folder, elsewhere := filepath.Join(r.dir, uploadFolder), filepath.Join(r.dir, name+"00")
	require.NoError(t, os.WriteFile(elsewhere, nil, 0o644))
	require.NoError(t, os.Mkdir(folder, 0o755))
	r.openUploads(Uploads{})
	require.NoError(t, os.Mkdir(filepath.Join(folder, name+"01"), 0o755))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(folder, name+"02")))
	for i := range 700 {
		require.NoError(t, os.WriteFile(filepath.Join(folder, tempName(i)), nil, 0o644))
	}
	removed, err = r.site.RemoveStale(now)
	require.NoError(t, err)
	require.Equal(t, 700, removed)
	require.ElementsMatch(t, []string{name + "01", name + "02"}, r.uploads(), "what is no file is not ours")
	require.FileExists(t, elsewhere)
}

// tempName is the i-th of many temporary names.
func tempName(i int) string { return fmt.Sprintf(".upload-f%015x", i) }

// What spill makes is what RemoveStale looks for.
func TestAnUploadUnderWayStaysUntilItIsOld(t *testing.T) {
	r := newRig(t, nil)
	r.site.store.place.Load().folder.UseNames()
	u := &upload{site: r.site, place: r.site.store.use(), held: []byte("[")}
	require.NoError(t, u.spill())
	require.Len(t, r.uploads(), 1)
	removed, err := r.site.RemoveStale(time.Now())
	require.NoError(t, err)
	require.Zero(t, removed)
	removed, err = r.site.RemoveStale(time.Now().Add(staleAge + time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, removed)
	u.discard()
	u.place.leave()
}
