package site

import (
	"encoding/json"
	"os"
	"path/filepath"
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
