//go:build darwin || freebsd

package sysnet

// There is no openat2(2) here: os.Root does its work, and files are looked at by
// opening them.

import "io/fs"

func beneath(int) bool { return false }

func (r *Root) open(path []byte) (int, error) {
	f := r.use()
	if f == nil {
		return -1, fs.ErrClosed
	}
	defer f.leave()
	return f.openPortably(path)
}

func (r *Root) look(path []byte, st *Stat) error { return r.lookPortably(path, st) }

// Glance is Fstat.
func Glance(fd int, st *Stat) error { return Fstat(fd, st) }
