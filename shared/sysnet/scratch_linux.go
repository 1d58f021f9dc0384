package sysnet

import "golang.org/x/sys/unix"

// PunchHole gives the disk space of a part of a file back (fallocate(2)). Both ends are multiples
// of HoleUnit. It fails with [ErrNoHoles] where the file system cannot.
func PunchHole(fd int, off, n int64) error {
	err := retry(func() error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if cannot(err) {
		return ErrNoHoles
	}
	return err
}

func pwritev(fd int, segs [][]byte, off int64) (int, error) { return unix.Pwritev(fd, segs, off) }

// WrittenBack reports the error that a disk had with a part of a file after write(2) had taken it.
// What is no longer in the page cache then cannot be read back (sync_file_range(2)). A system that
// cannot tell says nothing.
func WrittenBack(fd int, off, n int64) error {
	err := retry(func() error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE) })
	if cannot(err) {
		return nil
	}
	return err
}
