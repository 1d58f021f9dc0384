package sysnet

// Scratch files: for bytes that find no room in memory, and that nobody else is to see.
//
// A scratch file has no name, so that whatever ends the process, the file ends with it. Its owner
// has the descriptor and closes it with [CloseFile]. All of this may wait for the disk.
//
// What must not be done: a part of the file that was sent by sendfile(2) must not be written again,
// and a hole in it must begin and end at multiples of [HoleUnit]. The socket does not have a copy,
// but the very pages of the page cache, until the peer has acknowledged them. A page that is taken
// out of the cache stays as it is for the socket. But the kernel keeps pages in larger units
// (folios), and where a hole ends within one, it first fills the hole's part of it with zeros: the
// peer would then get zeros.

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// HoleUnit is what holes begin and end at multiples of, in bytes: the largest unit in which Linux
// keeps parts of files in memory (MAX_PAGECACHE_ORDER on processors with pages of 4 KiB).
const HoleUnit = 2 << 20

const scratchMode = 0o600

// ErrNoHoles: the file system cannot give back a part of a file.
var ErrNoHoles = errors.New("the file system has no holes")

// OpenScratch makes an empty scratch file in a folder. Where the file system has no files without a
// name, the file has one for a moment.
func OpenScratch(dir string) (fd int, err error) {
	folder := -1
	err = retry(func() (err error) {
		folder, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, wrap("open", dir, err)
	}
	defer unix.Close(folder)
	if fd, err = openNameless(folder, scratchMode); cannot(err) {
		fd, err = openNamed(folder)
	}
	if err != nil {
		return -1, wrap("create a file in", dir, err)
	}
	return fd, nil
}

// openNamed makes a file and takes its name away.
func openNamed(folder int) (fd int, err error) {
	name := ".fourways-" + strconv.FormatUint(rand.Uint64(), 36)
	err = retry(func() (err error) {
		fd, err = unix.Openat(folder, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, scratchMode)
		return err
	})
	if err != nil {
		return -1, err
	}
	if err = retry(func() error { return unix.Unlinkat(folder, name, 0) }); err != nil {
		unix.Close(fd)
		return -1, wrap("unlink", filepath.Base(name), err)
	}
	return fd, nil
}

// WriteAt writes segments to a file at an offset, one after the other, until all is written. If it
// fails, n bytes were written all the same. It uses segs up.
func WriteAt(fd int, segs [][]byte, off int64) (n int64, err error) {
	for segs = after(segs, 0); len(segs) > 0; {
		got, err := pwritev(fd, segs, off+n)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, err
		case got == 0:
			return n, unix.EIO // of a regular file, write(2) knows no such thing
		}
		n += int64(got)
		segs = after(segs, got)
	}
	return n, nil
}

// after is what is left of segments after their first n bytes.
func after(segs [][]byte, n int) [][]byte {
	for len(segs) > 0 && n >= len(segs[0]) {
		n, segs = n-len(segs[0]), segs[1:]
	}
	if n > 0 {
		segs[0] = segs[0][n:]
	}
	return segs
}

// InCache reports whether n bytes of a file can be read without waiting for a disk. The first page
// may be there only because the kernel reads ahead. If the last is there too, nearly always all
// pages between them are. Where the system does not tell, it answers yes, and the sender will see.
func InCache(fd int, off, n int64) bool {
	var page [1]byte
	for _, at := range [...]int64{off, off + n - 1} {
		if _, err := preadCached(fd, page[:], at); err == ErrCold {
			return false
		}
	}
	return true
}

// PieceAt is how many bytes, from an offset of a file on, are best read from the disk at once. See
// [Front].
func PieceAt(off int64) int64 { return pieceAt(off) }
