//go:build darwin || freebsd

package sysnet

// preadCached is pread: there is no way to ask for what is in the page cache only.
func preadCached(fd int, p []byte, off int64) (int, error) { return pread(fd, p, off) }
