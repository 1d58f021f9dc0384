package sysnet

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Name is the identity of the file under a path. The zero value is that of none.
//
// The number of the inode alone is not enough: file systems give it out again, often at once, to
// the next file. The modification time tells the two apart. It does not change when a socket is
// written to, or when its owner or mode is changed.
type Name struct {
	Device, Inode       uint64
	Seconds, Nanosecond int64
}

// NameOf is what lies under the path now, not followed if it is a link.
func NameOf(path string) Name {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil {
		return Name{}
	}
	return Name{Device: uint64(st.Dev), Inode: st.Ino, Seconds: int64(st.Mtim.Sec), Nanosecond: int64(st.Mtim.Nsec)}
}

// Remove removes the path if it is still the same file. Whoever makes a Unix socket locks its
// folder, so what lies there stays the same between the look and the removal.
func (n Name) Remove(path string) {
	unlock, err := lockFolder(filepath.Dir(path))
	if err != nil {
		return
	}
	defer unlock()
	if n != (Name{}) && NameOf(path) == n {
		os.Remove(path)
	}
}
