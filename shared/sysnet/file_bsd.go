//go:build darwin || freebsd

package sysnet

// There is no openat2(2) here: os.Root does its work, and files are looked at by
// opening them.

func beneath(int) bool { return false }

func (r *Root) open(path []byte) (int, error) { return r.now.Load().openPortably(path) }

func (r *Root) look(path []byte, st *Stat) error { return r.lookPortably(path, st) }

// Glance is Fstat.
func Glance(fd int, st *Stat) error { return Fstat(fd, st) }
