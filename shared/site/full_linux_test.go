package site

// Uploads to a disk that is really full, and files that cannot be removed. They are skipped where a
// small file system cannot be mounted.

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/sysnet"
)

func TestAReallyFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	require.NoError(t, os.Mkdir(filepath.Join(dir, uploadFolder), 0o755))
	root, err := sysnet.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { root.Close() })
	r := newRig(t, func(c *Config) { c.Root = root })
	r.dir = dir
	require.Equal(t, 201, r.ask(post("{}")).StatusCode)
	for _, length := range []int{spillAt - 2, 4 * spillAt} {
		for got := 201; got != 507; {
			got = r.ask(post(`"` + strings.Repeat("x", length) + `"`)).StatusCode
			require.Contains(t, []int{201, 507}, got)
		}
		require.Eventually(t, func() bool {
			return !strings.Contains(strings.Join(r.uploads(), " "), ".upload-")
		}, 5*time.Second, time.Millisecond)
	}
	for _, name := range r.uploads() {
		text, err := os.ReadFile(filepath.Join(dir, uploadFolder, name))
		require.NoError(t, err)
		require.True(t, json.Valid(text), "what has a name is whole")
	}
}

// A file that stays where it is takes its room there. Root may remove everything, but not as
// another user, which one thread alone can be for the file system (setfsuid(2)).
func TestAStaleFileThatCannotBeRemovedCounts(t *testing.T) {
	const nobody = 65534
	counts := map[string]func(*testing.T, *Site) error{
		"when a server starts": func(_ *testing.T, s *Site) error {
			_, err := s.RemoveStale(time.Now())
			return err
		},
		"while uploads come": func(t *testing.T, s *Site) error {
			require.NoError(t, s.store.quota.recount(time.Now()), "the folder could be looked at")
			return unix.EACCES
		},
	}
	for name, count := range counts {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			r.openUploads(Uploads{MaxFiles: 2})
			folder := filepath.Join(r.dir, uploadFolder)
			stale := filepath.Join(folder, tempName(0))
			require.NoError(t, os.WriteFile(stale, []byte("[1"), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "kept.json"), []byte("[1]"), 0o644))
			old := time.Now().Add(-2 * staleAge)
			require.NoError(t, os.Chtimes(stale, old, old))
			require.NoError(t, os.Chmod(folder, 0o555))
			t.Cleanup(func() { os.Chmod(folder, 0o755) })
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if os.Geteuid() == 0 {
				require.NoError(t, unix.Setfsuid(nobody))
				defer unix.Setfsuid(0)
			}
			err := count(t, r.site)
			q := r.site.store.quota
			require.EqualValues(t, 2, q.shared.stored.files.Load())
			require.EqualValues(t, len("[1")+len("[1]"), q.shared.stored.bytes.Load())
			require.ErrorIs(t, err, unix.EACCES, "and who starts the server is told")
			require.ErrorIs(t, q.take(1, 1, time.Now()), errQuota)
		})
	}
}
