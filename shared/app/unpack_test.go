package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fourways/shared/site"
)

// A worker, or the new program of a hand-over, serves what another process has unpacked, and may
// outlive it.
func TestWhatAnotherProcessHasUnpackedIsHeld(t *testing.T) {
	dir := t.TempDir()
	lock, err := os.Create(filepath.Join(dir, ".lock"))
	require.NoError(t, err)
	defer lock.Close()
	a := &App{unpacked: site.Unpacked{Folder: dir}}
	require.NoError(t, a.unpack())
	require.Equal(t, unix.EWOULDBLOCK, unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB))
}
