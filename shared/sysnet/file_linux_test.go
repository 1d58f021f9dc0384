package sysnet

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A file server may have a lease on a file: to open it without waiting fails until that was given
// back, as it is where somebody tries (fcntl(2)).
func TestALeaseIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "alpha")
	root, err := OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	holder, err := os.OpenFile(filepath.Join(dir, "a.txt"), os.O_RDWR, 0)
	require.NoError(t, err)
	defer holder.Close()
	lease := func(cmd, kind int) int {
		got, err := unix.FcntlInt(holder.Fd(), cmd, kind)
		if err != nil {
			t.Skip("no leases here: ", err)
		}
		return got
	}
	lease(unix.F_SETLEASE, unix.F_WRLCK)
	given := make(chan struct{})
	go func() {
		defer close(given)
		for lease(unix.F_GETLEASE, 0) == unix.F_WRLCK { // nobody has asked for it
			Yield()
		}
		lease(unix.F_SETLEASE, unix.F_UNLCK)
	}()
	var st Stat
	fd, err := root.Open([]byte("a.txt"), &st)
	require.NoError(t, err)
	CloseFile(fd)
	<-given
}
