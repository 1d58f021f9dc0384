package behaviour

import (
	"testing"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of 2 MiB. The test is skipped where that is not allowed.
func smallDisk(t *testing.T) (dir string) {
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}
