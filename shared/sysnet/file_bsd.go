//go:build darwin || freebsd

package sysnet

// There is no openat2(2) here: os.Root does its work, and files are looked at by
// opening them.

func openBeneath(string) int { return -1 }

func (r *Root) open(path []byte) (int, error) { return r.openPortably(path) }

func (r *Root) look(path []byte, st *Stat) error { return r.lookPortably(path, st) }
